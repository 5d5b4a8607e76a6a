"""What an issuance would take, and what stays out of it and why."""

from typing import TYPE_CHECKING, Any

from accounts.issuance import selection

if TYPE_CHECKING:
    import asyncpg

    from accounts.issuance.models import Issuance


async def preview(driver: "asyncpg.Connection", issuance: "Issuance", *, everywhere: bool) -> dict[str, Any]:
    """Figures in mg; reasons with number of entries (of acts, where nothing is booked) and net mg."""
    found = await selection.totals(driver, issuance, everywhere=everywhere)
    out = {row["what"]: (row["entries"], row["net_mg"]) for row in await selection.left_out(driver, issuance)}
    period = (issuance.booked_from, issuance.booked_until)
    out["disputed"] = _sum(out.get("disputed"), await _disputed(driver, issuance))
    out["held"] = _sum(out.get("held"), await _held(driver, issuance))
    out["not_issuable"] = await _not_issuable(driver, issuance, period)
    return {
        "credits_mg": found["credits_mg"],
        "reversals_mg": found["reversals_mg"],
        "entries": found["entries"],
        "holders": found["holders"],
        "left_out": [
            {"reason": reason, "number": number, "net_mg": net}
            for reason, (number, net) in sorted(out.items())
            if number
        ],
    }


def _sum(one: "tuple[int, int] | None", two: tuple[int, int]) -> tuple[int, int]:
    return two if one is None else (one[0] + two[0], one[1] + two[1])


async def _disputed(driver: "asyncpg.Connection", issuance: "Issuance") -> tuple[int, int]:
    (row,) = await driver.fetch(
        f"""
        SELECT count(*), coalesce(sum(CASE WHEN e.reversal THEN -e.amount ELSE e.amount END), 0)::bigint
        FROM ({selection.candidates()}) e
        WHERE NOT e.excluded AND $6::text IS NOT NULL AND EXISTS (
            SELECT FROM disputes d
            WHERE d.holder_id = e.holder_id AND d.activity_id = e.cause_id AND d.state = 'open')
        """,
        *selection.arguments(issuance),
    )
    return row[0], row[1]


async def _held(driver: "asyncpg.Connection", issuance: "Issuance") -> tuple[int, int]:
    """Acts that wait for a review, by what they would be credited."""
    (row,) = await driver.fetch(
        """
        SELECT count(*), coalesce(sum(co2e_mg), 0)::bigint FROM activities
        WHERE id >= tanpuhui_uuid7_floor($1) AND id < tanpuhui_uuid7_floor($2) AND methodology_id = $3
          AND outcome = 'pending' AND reason = 'held_for_review' AND region LIKE $4
        """,
        issuance.booked_from,
        issuance.booked_until,
        issuance.methodology_version_id,
        selection.common_digits(issuance.region) + "%",
    )
    return row[0], row[1]


async def _not_issuable(
    driver: "asyncpg.Connection", issuance: "Issuance", period: tuple[object, object]
) -> tuple[int, int]:
    """What the applicant's holders were credited of this vintage under texts that are not issuable."""
    (row,) = await driver.fetch(
        f"""
        SELECT count(*), coalesce(sum(e.amount), 0)::bigint
        FROM entries e JOIN assets s ON s.id = e.asset_id AND s.kind = 'reduction' AND s.vintage = $4
        JOIN methodology_versions v ON v.id = s.methodology_id AND NOT v.issuable AND v.region LIKE $5
        JOIN (SELECT m.holder_id, m.valid_from, {selection.LIVE} AS ends FROM {selection.WITH_END}
              WHERE m.applicant_id = $3) l
            ON l.holder_id = e.holder_id AND e.booked_at >= l.valid_from AND e.booked_at < l.ends
        WHERE e.id >= tanpuhui_uuid7_floor($1) AND e.id < tanpuhui_uuid7_floor($2) AND {selection.IS_CREDIT}
        """,
        *period,
        issuance.applicant_id,
        issuance.vintage,
        selection.common_digits(issuance.region) + "%",
    )
    return row[0], row[1]
