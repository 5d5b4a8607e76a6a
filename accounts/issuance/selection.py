"""Which entries an issuance takes: decided by entries and mandates alone, so that anyone can decide it again.

Taken are credits and what was included again, less reversals, of one asset, booked in the period under a mandate to
the applicant. A reversal follows the last credit before it, whatever became of the mandate since. Out are the entries
of an act up to the one that excluded it, as `issuance_exclusions` keeps it.
"""

from typing import TYPE_CHECKING

from accounts.models import AccountKind, EntryKind

if TYPE_CHECKING:
    from accounts.issuance.models import Issuance
    from accounts.repository import Driver, Row

_OPEN = f"{AccountKind.HOLDER_OPEN:d}"
LIVE = "coalesce(least(m.valid_until, w.ends_at), 'infinity')"
WITH_END = "mandates m LEFT JOIN mandate_withdrawals w ON w.holder_id = m.holder_id AND w.mandate_id = m.id"
# No entry is older than the activity that caused it, whose id carries the moment: so few partitions are visited.
CREDITED_AT = f"""
    SELECT c.booked_at AS at FROM entries c
    WHERE c.holder_id = e.holder_id AND c.cause_id = e.cause_id AND c.asset_id = e.asset_id
      AND c.kind = {EntryKind.CREDIT:d} AND c.credit = {_OPEN}
      AND c.id <= e.id AND c.id >= (left(e.cause_id::text, 13) || '-0000-0000-000000000000')::uuid
    ORDER BY c.id DESC LIMIT 1"""
_OUT = """EXISTS (
    SELECT FROM issuance_exclusions x
    WHERE x.holder_id = e.holder_id AND x.cause_id = e.cause_id AND x.entry_id > e.id)"""
_PERIOD = """e.asset_id = $2 AND e.booked_at >= $3 AND e.booked_at < $4
    AND e.id >= tanpuhui_uuid7_floor($3) AND e.id < tanpuhui_uuid7_floor($4::timestamptz + interval '1 millisecond')"""
INSIDE = """EXISTS (
    SELECT FROM activities a WHERE a.holder_id = e.holder_id AND a.id = e.cause_id AND a.region LIKE $6)"""
IS_CREDIT = f"e.kind = {EntryKind.CREDIT:d} AND e.credit = {_OPEN}"
IS_OTHER = (
    f"(e.kind = {EntryKind.REVERSAL:d} AND e.debit = {_OPEN}"
    f" OR e.kind = {EntryKind.INCLUSION:d} AND e.credit = {_OPEN})"
)


def candidates(*, mandated: bool = True) -> str:
    """All of the asset and period: who, what, whether out, whether its region is the issuance's.

    Arguments: applicant, asset, from, until, secret, what the codes of the region begin with, followed by `%`.
    `who` is the holder's pseudonym in this issuance, null without a mandate; `credited_at` that of the act's credit.
    """
    join = "JOIN" if mandated else "LEFT JOIN"
    return f"""
        WITH live AS MATERIALIZED (
            SELECT m.holder_id, m.valid_from, {LIVE} AS ends,
                substr(sha256($5::bytea || uuid_send(m.holder_id)), 1, 16) AS who
            FROM {WITH_END} WHERE m.applicant_id = $1)
        SELECT e.id, e.holder_id, e.cause_id, l.who, e.amount, e.booked_at, e.booked_at AS credited_at,
            false AS reversal, {_OUT} AS excluded
        FROM entries e {join} live l
            ON l.holder_id = e.holder_id AND e.booked_at >= l.valid_from AND e.booked_at < l.ends
        WHERE {_PERIOD} AND {IS_CREDIT}
        UNION ALL
        SELECT e.id, e.holder_id, e.cause_id, l.who, e.amount, e.booked_at, c.at,
            e.kind = {EntryKind.REVERSAL:d}, {_OUT}
        FROM entries e CROSS JOIN LATERAL ({CREDITED_AT}) c {join} live l
            ON l.holder_id = e.holder_id AND c.at >= l.valid_from AND c.at < l.ends
        WHERE {_PERIOD} AND {IS_OTHER}"""


def counted(columns: str, *, everywhere: bool) -> str:
    """What the issuance takes; `columns` of `e`. `everywhere` where its region is all of the methodology's."""
    # An act's region is looked up only where it can be another: entries do not tell it.
    inside = "$6::text IS NOT NULL" if everywhere else INSIDE
    return f"SELECT {columns} FROM ({candidates()}) e WHERE NOT e.excluded AND {inside}"


def arguments(issuance: "Issuance") -> tuple[object, ...]:
    """Of `candidates` and `counted`."""
    return (
        issuance.applicant_id,
        issuance.asset_id,
        issuance.booked_from,
        issuance.booked_until,
        issuance.secret,
        common_digits(issuance.region) + "%",
    )


def common_digits(region: str) -> str:
    """What the codes of a region and of all its parts begin with: the nation's, a province's, a city's, its own."""
    if region == "100000":
        return ""
    return region[:2] if region.endswith("0000") else region[:4] if region.endswith("00") else region


async def totals(driver: "Driver", issuance: "Issuance", *, everywhere: bool) -> "Row":
    """(credits_mg, reversals_mg, entries, holders) of what the issuance takes."""
    (found,) = await driver.fetch(
        counted(
            "coalesce(sum(e.amount) FILTER (WHERE NOT e.reversal), 0)::bigint AS credits_mg,"
            " coalesce(sum(e.amount) FILTER (WHERE e.reversal), 0)::bigint AS reversals_mg,"
            " count(*) AS entries, count(DISTINCT e.holder_id) AS holders",
            everywhere=everywhere,
        ),
        *arguments(issuance),
    )
    return found


async def left_out(driver: "Driver", issuance: "Issuance") -> "list[Row]":
    """(what, entries, net_mg) of what the asset has in the period and the issuance does not take."""
    inside = INSIDE
    return list(
        await driver.fetch(
            f"""
            SELECT what, count(*) AS entries, coalesce(sum(CASE WHEN reversal THEN -amount ELSE amount END), 0)::bigint
                AS net_mg
            FROM (
                SELECT e.amount, e.reversal, CASE WHEN e.who IS NULL THEN 'no_mandate'
                    WHEN e.excluded THEN (SELECT x.reason FROM issuance_exclusions x WHERE x.holder_id = e.holder_id
                        AND x.cause_id = e.cause_id AND x.entry_id > e.id ORDER BY x.entry_id DESC LIMIT 1)
                    WHEN NOT {inside} THEN 'outside_boundary' END AS what
                FROM ({candidates(mandated=False)}) e) o
            WHERE what IS NOT NULL GROUP BY what ORDER BY what
            """,
            *arguments(issuance),
        )
    )
