"""The one way in for readings: checked against the meters of their enterprise, recorded a batch at a time."""

import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from accounts.errors import DomainError
from accounts.fields import Moment
from accounts.metering.errors import ReadingUnprocessable
from accounts.metering.marks import MEASURED, Outcome
from accounts.metering.quarters import QUARTERS_A_DAY, closed_by
from accounts.metering.repository import FIRST_DAY, number_of
from accounts.metering.service import KnownMeter, Reading, record
from app import metrics
from app.groups import Groups, transact
from app.metering.directory import Directory, Meters

if TYPE_CHECKING:
    import asyncpg

    from accounts.errors import Fault
    from accounts.metering.schemas import ReadingInput
    from app.api.batches import Invalid
    from app.database import Chain, Database

AHEAD: Final = datetime.timedelta(minutes=1)
"""By so much may a gateway's clock be ahead."""
_FIRST: Final = number_of(FIRST_DAY) * QUARTERS_A_DAY
_MOMENT: TypeAdapter[datetime.datetime] = TypeAdapter(Moment)
_COUNTED = {outcome: metrics.READINGS.labels(outcome.value) for outcome in Outcome}

Refusal = str
"""Why a reading is refused before the database sees it."""


class Readings:
    """Takes readings of one enterprise at a time in."""

    def __init__(
        self,
        database: "Database",
        clock: Callable[[], datetime.datetime],
        *,
        committers: int,
        group_max: int,
    ) -> None:
        self.directory = Directory(database)
        self._clock = clock
        self._groups: Groups[Reading, Outcome] = Groups(
            database, self._attempt, ReadingUnprocessable, committers=committers, group_max=group_max
        )

    async def take(
        self, holder_id: UUID, by: str, items: "Sequence[ReadingInput | Invalid]"
    ) -> list[dict[str, Any]]:
        """One answer for each item, in order, when those that are taken are stored.

        Raises `StorageUnavailable` before anything is stored, or where it is not known what is.
        """
        if not items:
            return []
        meters = await self.directory.meters(holder_id)
        if any(not isinstance(item, tuple) and item.meter not in meters for item in items):
            meters = await self.directory.anew(holder_id)
        checked = _check(items, meters, self._clock() + AHEAD, by)
        readings = [each for each in checked if isinstance(each, Reading)]
        results = iter(await self._groups.submit_batch(readings) if readings else ())
        answers = []
        counts = dict.fromkeys(Outcome, 0)
        for item, each in zip(items, checked, strict=True):
            reason: str | None = None
            outcome = Outcome.REFUSED
            if isinstance(each, Reading):
                result = next(results)
                if isinstance(result, DomainError):
                    reason = result.code.rpartition(".")[2]
                else:
                    outcome = result
                    if result is Outcome.REFUSED:
                        reason = "revision_known"
            else:
                reason = each
            counts[outcome] += 1
            answers.append(_answer(item, outcome, reason))
        for outcome, count in counts.items():
            if count:
                _COUNTED[outcome].inc(count)
        return answers

    async def close(self) -> None:
        """Wait for what is being committed."""
        await self._groups.close()

    async def _attempt(self, chain: "Chain", batch: Sequence[Reading]) -> list[Outcome]:
        async def work(driver: "asyncpg.Connection") -> list[Outcome]:
            return await record(driver, batch, self._clock())

        return await transact(chain, work)


def _check(
    items: "Sequence[ReadingInput | Invalid]", meters: Meters, latest: datetime.datetime, by: str
) -> list[Reading | Refusal]:
    quarters: dict[str, int | Refusal] = {}
    checked: list[Reading | Refusal] = []
    for item in items:
        if isinstance(item, tuple):
            checked.append("invalid")
            continue
        meter = meters.get(item.meter)
        if meter is None:
            checked.append("unknown_meter")
            continue
        quarter = quarters.get(item.at)
        if quarter is None:
            quarter = quarters[item.at] = _quarter(item.at, latest)
        checked.append(quarter if isinstance(quarter, str) else _reading(item, meter, quarter, by))
    return checked


def _quarter(at: str, latest: datetime.datetime) -> int | Refusal:
    try:
        moment = _MOMENT.validate_python(at)
        quarter = closed_by(moment)
    except (ValidationError, OverflowError):
        return "invalid"
    if quarter is None:
        return "off_quarter"
    if moment > latest:
        return "in_future"
    return quarter if quarter >= _FIRST else "not_installed"


def _reading(item: "ReadingInput", meter: KnownMeter, quarter: int, by: str) -> Reading | Refusal:
    values = (item.energy_wh, item.volume_l, item.mass_g, item.heat_kj)
    value: int | None = getattr(item, meter.field)
    if value is None or values.count(None) != len(values) - 1:
        return "wrong_unit"
    if quarter < meter.first or (meter.last is not None and quarter > meter.last):
        return "not_installed"
    mark = item.revision if item.estimated else MEASURED + item.revision
    return Reading(meter, quarter, value, mark, by)


def _answer(item: "ReadingInput | Invalid", outcome: Outcome, reason: str | None) -> dict[str, Any]:
    if isinstance(item, tuple):
        name, faults = item
        return {
            "meter": name,
            "at": None,
            "outcome": outcome,
            "reason": reason,
            "errors": [_told(fault) for fault in faults],
        }
    return {
        "meter": item.meter,
        "at": item.at,
        "outcome": outcome,
        "reason": reason,
        "errors": [],
    }


def _told(fault: "Fault") -> dict[str, str]:
    return {"pointer": fault.pointer, "reason": fault.reason}
