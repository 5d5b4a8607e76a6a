"""Learning what meters are expected to use, looking at what they used, and what people do with alerts."""

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from accounts.alerts import repository, steps
from accounts.alerts.errors import AlertClosed, AlertNotFound
from accounts.alerts.expectation import QUARTERS, Amounts, Profile, learn
from accounts.alerts.looking import Finding, look
from accounts.ids import uuid7
from accounts.metering.queries import Step, uses

if TYPE_CHECKING:
    import asyncpg

QUARTER: Final = datetime.timedelta(minutes=15)
CHINA: Final = datetime.timezone(datetime.timedelta(hours=8))
GRACE: Final = datetime.timedelta(minutes=5)
"""How long after a quarter-hour its readings are waited for."""
LEARNT_DAYS: Final = 56
AGAIN: Final = datetime.timedelta(days=7)
SOON: Final = datetime.timedelta(days=1)
"""A meter of too short a past is tried again."""
CATCH_UP: Final = 12
"""Quarter-hours that are looked at afterwards, where nobody looked in time."""
QUIET: Final = 8 * QUARTER
"""An episode is over when nothing was found for so long."""


def newest(now: datetime.datetime) -> datetime.datetime:
    """The end of the last quarter-hour whose readings should be there."""
    moment = now - GRACE
    return moment - datetime.timedelta(
        minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond
    )


def read_profile(text: str) -> Profile:
    """A profile as it is kept."""
    kept: dict[str, Any] = orjson.loads(text)
    return Profile(**{name: _tuples(value) for name, value in kept.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


async def _amounts(
    driver: "asyncpg.Connection", meter_ids: list[UUID], since: datetime.datetime, until: datetime.datetime
) -> dict[UUID, list[int | None]]:
    """Of each meter its quarter-hours in order; None where none was measured."""
    found: dict[UUID, list[int | None]] = {meter_id: [] for meter_id in meter_ids}
    for use in await uses(driver, meter_ids, Step.QUARTER, since, until):
        found[use.meter_id].append(use.amount if use.measured else None)
    return found


async def learn_some(driver: "asyncpg.Connection", now: datetime.datetime, limit: int) -> int:
    """Learn the past of some meters that are due; answers of how many. Alerts that were faults teach nothing."""
    await repository.know_meters(driver, now, newest(now))
    due = await repository.to_learn(driver, now, limit)
    until = now.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    since = until - datetime.timedelta(days=LEARNT_DAYS)
    for meter_id, past in (await _amounts(driver, due, since, until)).items():
        faulty = frozenset(
            place
            for start, end in await repository.faulty(driver, meter_id, since)
            for place in range(max(0, (start - since) // QUARTER), min(len(past), (end - since) // QUARTER))
        )
        # What lies before the first reading is no gap of the meter.
        first = next((place for place, amount in enumerate(past) if amount is not None), len(past))
        skipped = first // QUARTERS
        whole = past[skipped * QUARTERS :]
        profile = learn(
            whole,
            (since.weekday() + skipped) % 7,
            frozenset(place - skipped * QUARTERS for place in faulty if place >= skipped * QUARTERS),
        )
        kept = None if profile is None else orjson.dumps(dataclasses.asdict(profile)).decode()
        await repository.keep_profile(driver, meter_id, kept, now + (SOON if profile is None else AGAIN))
    return len(due)


async def look_at_some(
    driver: "asyncpg.Connection", now: datetime.datetime, limit: int
) -> tuple[int, list[repository.Row]]:
    """Look at some meters that have a quarter-hour nobody looked at; answers at how many, and what was opened."""
    until = newest(now)
    rows = await repository.to_look(driver, until, limit)
    if not rows:
        return 0, []
    since = until - (steps.LONGEST + CATCH_UP) * QUARTER
    amounts = await _amounts(driver, [row["meter_id"] for row in rows], since, until)
    found: list[tuple[object, ...]] = []
    runs = []
    for row in rows:
        recent = amounts[row["meter_id"]]
        new = (until - row["looked_until"]) // QUARTER
        findings = _findings(recent, until, row, new)
        found += [
            (
                row["holder_id"],
                uuid7(now),
                row["meter_id"],
                kind,
                start,
                last,
                finding.amount,
                finding.expected,
            )
            for kind, (start, last, finding) in findings.items()
        ]
        runs.append((row["meter_id"], recent[-1], _run(recent, row, new)))
    await repository.looked(driver, until, runs)
    opened = await repository.found(driver, now, found)
    await repository.end_quiet(driver, [row["meter_id"] for row in rows], until - QUIET, until)
    return len(rows), opened


def _findings(
    recent: list[int | None], until: datetime.datetime, row: repository.Row, new: int
) -> dict[str, tuple[datetime.datetime, datetime.datetime, Finding]]:
    """By kind, what was found in the new quarter-hours: since when, until when, and what at first."""
    profile = read_profile(row["profile"])
    found: dict[str, tuple[datetime.datetime, datetime.datetime, Finding]] = {}
    for back in range(min(new, CATCH_UP) - 1, -1, -1):
        end = until - back * QUARTER
        seen = recent[: len(recent) - back]
        begun = (end - QUARTER).astimezone(CHINA)
        slot = (begun.hour * 60 + begun.minute) // 15
        for finding in look(seen, begun.weekday(), slot, profile, _run(seen, row, new - back)):
            start = end - (finding.after + finding.quarters) * QUARTER
            first = found.get(finding.kind)
            found[finding.kind] = (start, end, finding) if first is None else (first[0], end, first[2])
    return found


def _run(recent: Amounts, row: repository.Row, new: int) -> int:
    """How many quarter-hours in a row read the same at the end, those before what was read now included."""
    run = next((place for place, amount in enumerate(reversed(recent)) if amount != recent[-1]), len(recent))
    before: int = row["run_quarters"] if row["run_amount"] == recent[-1] else 0
    return run if run < len(recent) else max(run, before + new)


async def acknowledge(
    driver: "asyncpg.Connection", holder_id: UUID, alert_id: UUID, now: datetime.datetime
) -> repository.Row:
    """Say that somebody looks after an alert; again changes nothing. Raises `AlertNotFound` or `AlertClosed`."""
    before = await _lock(driver, holder_id, alert_id)
    await repository.acknowledge(driver, holder_id, alert_id, now)
    return before


async def close(
    driver: "asyncpg.Connection",
    holder_id: UUID,
    alert_id: UUID,
    verdict: str,
    note: str,
    now: datetime.datetime,
) -> repository.Row:
    """Close an alert with what it was; raises `AlertNotFound` or `AlertClosed`."""
    before = await _lock(driver, holder_id, alert_id)
    await repository.close(driver, holder_id, alert_id, verdict, note, now)
    return before


async def _lock(driver: "asyncpg.Connection", holder_id: UUID, alert_id: UUID) -> repository.Row:
    found = await repository.find_alert(driver, holder_id, alert_id, lock=True)
    if found is None:
        raise AlertNotFound
    if found["closed_at"] is not None:
        raise AlertClosed
    return found
