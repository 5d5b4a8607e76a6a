"""Plans from what lines can do, what their meters let one expect, and what the sun gave lately."""

import datetime
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from accounts.alerts.expectation import QUARTERS
from accounts.alerts.looking import expected_use
from accounts.alerts.repository import profiles
from accounts.alerts.service import CHINA, QUARTER, read_profile
from accounts.enterprises import repository as enterprises
from accounts.enterprises.errors import EnterpriseEditedMeanwhile, LineNotFound, SiteNotFound
from accounts.ids import parse_public_id, public_id, uuid7
from accounts.load_shedding import repository
from accounts.load_shedding.errors import (
    SheddingFeedsInvalid,
    SheddingNoLines,
    SheddingOptionUnknown,
    SheddingPeriodInvalid,
    SheddingPlanDecided,
    SheddingPlanNotFound,
)
from accounts.load_shedding.plan import KILO, Asked, Line, Plan, plans, tied_too_many
from accounts.load_shedding.schemas import SheddingLineInput, SheddingRequest
from accounts.metering.queries import Step, uses

if TYPE_CHECKING:
    import asyncpg

LONGEST: Final = datetime.timedelta(days=1)
AHEAD: Final = datetime.timedelta(days=7)
SUN_DAYS: Final = 14
LEAST_SUN_DAYS: Final = 7
QUARTERS_AN_HOUR: Final = 4


async def enter_data(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    line_id: UUID,
    version: int,
    body: SheddingLineInput,
    now: datetime.datetime,
) -> "repository.Row | None":
    """Enter the next version of a line's data, the first one upon version 0; answers the one before.

    Raises `LineNotFound`, `EnterpriseEditedMeanwhile`, or `SheddingFeedsInvalid`.
    """
    # Lines that hang together are looked at by one writer at a time.
    if await enterprises.lock_enterprise(driver, holder_id) is None:
        raise LineNotFound
    fed = None if body.feeds_line_id is None else parse_public_id("lin", body.feeds_line_id)
    for wanted in (line_id, *((fed,) if body.feeds_line_id is not None else ())):
        if wanted is None or await enterprises.find_line(driver, holder_id, wanted) is None:
            raise LineNotFound
    before = await repository.data_of(driver, holder_id, line_id)
    if (0 if before is None else before["version"]) != version:
        raise EnterpriseEditedMeanwhile
    others = await repository.all_data(driver, holder_id, None)
    feeds = {row["line_id"]: row["feeds_line_id"] for row in others} | {line_id: fed}
    if _circular(feeds) or tied_too_many([_bare(line, feeds[line]) for line in feeds]):
        raise SheddingFeedsInvalid
    await repository.add_data(
        driver,
        (
            holder_id,
            line_id,
            version + 1,
            body.value_fen_per_kwh,
            body.can_stop,
            body.load_w,
            body.least_w,
            body.least_off_minutes,
            body.ramp_w_per_minute,
            fed,
            now,
        ),
    )
    return before


async def make_plan(
    driver: "asyncpg.Connection", holder_id: UUID, body: SheddingRequest, now: datetime.datetime
) -> UUID:
    """Compute a plan with alternatives, and keep it.

    Raises `SheddingPeriodInvalid`, `SiteNotFound` or `SheddingNoLines`.
    """
    if body.ends_at <= now or body.ends_at - body.starts_at > LONGEST or body.starts_at > now + AHEAD:
        raise SheddingPeriodInvalid
    site_id = None if body.site_id is None else parse_public_id("sit", body.site_id)
    if body.site_id is not None and (
        site_id is None or await enterprises.find_site(driver, holder_id, site_id) is None
    ):
        raise SiteNotFound
    starts = max(body.starts_at, now)
    meters = await repository.power_meters(driver, holder_id, site_id)
    rows = await repository.all_data(driver, holder_id, site_id)
    loads = await _loads(driver, meters, starts, body.ends_at)
    lines = [
        _line(row, load)
        for row in rows
        if (load := row["load_w"] if row["load_w"] is not None else loads.get(row["line_id"])) is not None
    ]
    if not lines:
        raise SheddingNoLines
    generating = [row["id"] for row in meters if row["flow"] == "generation"] if body.use_solar else []
    solar_kw = min(body.cut_kw, await _sun_w(driver, generating, starts, body.ends_at, now) // KILO)
    asked = Asked(
        body.cut_kw - solar_kw,
        -((starts - body.ends_at) // datetime.timedelta(minutes=1)),
        (starts - now) // datetime.timedelta(minutes=1),
    )
    known = {line.id: line.load_w for line in lines}
    options = [_option(plan, asked, known, starts) for plan in plans(lines, asked)]
    skipped = [public_id("lin", row["line_id"]) for row in rows if row["line_id"] not in known]
    made = uuid7(now)
    await repository.add_plan(
        driver,
        (
            holder_id,
            made,
            site_id,
            body.cut_kw,
            solar_kw,
            body.starts_at,
            body.ends_at,
            orjson.dumps(options).decode(),
            orjson.dumps(skipped).decode(),
            now,
        ),
    )
    return made


async def decide(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    plan_id: UUID,
    option: int | None,
    now: datetime.datetime,
) -> repository.Row:
    """Accept an option of a plan, or drop the plan where that is None; answers it as it was.

    Raises `SheddingPlanNotFound`, `SheddingPlanDecided`, `SheddingOptionUnknown`, or `SheddingPeriodInvalid` where what
    would be accepted is over.
    """
    found = await repository.find_plan(driver, holder_id, plan_id, lock=True)
    if found is None:
        raise SheddingPlanNotFound
    if found["state"] != "proposed":
        raise SheddingPlanDecided
    if option is not None and option >= len(orjson.loads(found["options"])):
        raise SheddingOptionUnknown
    if option is not None and found["ends_at"] <= now:
        raise SheddingPeriodInvalid
    state = "dropped" if option is None else "accepted"
    await repository.decide_plan(driver, holder_id, plan_id, state, option, now)
    return found


def _circular(feeds: dict[UUID, UUID | None]) -> bool:
    for line, fed in feeds.items():
        seen, at = {line}, fed
        while at is not None:
            if at in seen:
                return True
            seen.add(at)
            at = feeds.get(at)
    return False


def _bare(line_id: UUID, fed: UUID | None) -> Line:
    return Line(line_id, 0, 0, can_stop=True, feeds_line=fed)


def _line(row: repository.Row, load_w: int) -> Line:
    return Line(
        row["line_id"],
        load_w,
        row["value_fen_per_kwh"],
        row["can_stop"],
        row["least_w"],
        row["least_off_minutes"],
        row["ramp_w_per_minute"],
        row["feeds_line_id"],
    )


def _option(plan: Plan, asked: Asked, loads: dict[UUID, int], starts: datetime.datetime) -> dict[str, Any]:
    steps = [
        {
            "line_id": public_id("lin", step.line_id),
            "action": step.action,
            "begin_at": starts - datetime.timedelta(minutes=step.lead_minutes),
            "cut_kw": step.cut_kw,
            "load_w": loads[step.line_id],
        }
        for step in plan.steps
    ]
    short = max(0, asked.cut_kw - plan.cut_kw)
    return {"cut_kw": plan.cut_kw, "short_kw": short, "cost_fen": plan.cost_fen, "steps": steps}


def _quarters(since: datetime.datetime, until: datetime.datetime) -> Iterator[datetime.datetime]:
    """Where the quarter-hours that a period touches begin."""
    at = since.astimezone(CHINA)
    at -= datetime.timedelta(minutes=at.minute % 15, seconds=at.second, microseconds=at.microsecond)
    while at < until:
        yield at
        at += QUARTER


def _slot(moment: datetime.datetime) -> int:
    return (moment.hour * 60 + moment.minute) // 15


async def _loads(
    driver: "asyncpg.Connection",
    meters: list[repository.Row],
    since: datetime.datetime,
    until: datetime.datetime,
) -> dict[UUID, int]:
    """What lines draw in W at least, as their meters let one expect, quarter-hour by quarter-hour.

    A line of which one meter is not learnt yet is left out.
    """
    of_line: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for row in meters:
        if row["flow"] == "use":
            of_line[row["line_id"]].append(row["id"])
    kept = await profiles(driver, [meter for each in of_line.values() for meter in each])
    known = {meter: read_profile(text) for meter, text in kept.items()}
    moments = list(_quarters(since, until))
    return {
        line: QUARTERS_AN_HOUR
        * min(
            sum(expected_use(known[meter], at.weekday(), _slot(at)) for meter in of_line[line])
            for at in moments
        )
        for line in of_line
        if all(meter in known for meter in of_line[line])
    }


async def _sun_w(
    driver: "asyncpg.Connection",
    meter_ids: list[UUID],
    since: datetime.datetime,
    until: datetime.datetime,
    now: datetime.datetime,
) -> int:
    """What own generation gives for certain in W: the least of the same quarter-hours of its last days."""
    today = now.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    if not meter_ids:
        return 0
    slots = {_slot(at) for at in _quarters(since, until)}
    first = today - datetime.timedelta(days=SUN_DAYS)
    found: defaultdict[UUID, defaultdict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for use in await uses(driver, meter_ids, Step.QUARTER, first, today):
        slot = (use.starts_at - first) // QUARTER % QUARTERS
        if slot in slots and use.measured:
            found[use.meter_id][slot].append(use.amount)
    total = 0
    for by_slot in found.values():
        if all(len(by_slot[slot]) >= LEAST_SUN_DAYS for slot in slots):
            total += min(min(by_slot[slot]) for slot in slots)
    return total * QUARTERS_AN_HOUR
