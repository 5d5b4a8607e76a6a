"""A district with enterprises, rules that two operators put in force, and emissions that tests set."""

import datetime
import itertools
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from labels.made import rules_text

from accounts.ids import uuid7_batch
from accounts.labels.repository import Figure, add_figures
from accounts.labels.rules import LabelRules
from accounts.labels.run_repository import Run, find_run
from app.auth.principal import Principal
from app.labels import runs
from app.labels.facts import Emission, Emitted
from app.programmes import decisions
from app.programmes.models import Kind
from app.wiring import Services

PAST = datetime.datetime(2019, 1, 1, tzinfo=datetime.UTC)
NOW = datetime.datetime(2026, 6, 1, 3, tzinfo=datetime.UTC)
QUARTERS = 35_040
_numbers = itertools.count(1)
_regions = itertools.count(330100, 100)
_days = (datetime.date(2020, 1, 1) + datetime.timedelta(days=each) for each in itertools.count())


_moments = (NOW + datetime.timedelta(seconds=each) for each in itertools.count())


def operator(name: str = "cli_one") -> Principal:
    return Principal(name, uuid.UUID(int=7), name, "100000", frozenset(), 2_000_000_000)


def new_region() -> str:
    """A city that no other test has."""
    return str(next(_regions))


@dataclass
class District:
    """What a test does in its own region. `mg` is (enterprise, year) → emissions."""

    service: Services
    owner: asyncpg.Connection
    region: str
    mg: dict[tuple[UUID, int], int] = field(default_factory=dict)

    async def rules(self, *scales: dict[str, Any], **over: Any) -> UUID:
        """Rules as one operator drafted and another approved them; the later of a region count."""
        text = LabelRules.model_validate(
            rules_text(*scales, **{"region": self.region, "from": next(_days).isoformat(), **over})
        )
        async with self.service.database.transaction() as session:
            one = decisions.Actor(operator(), NOW, "", lambda: PAST)
            found = await decisions.draft(session, one, Kind.LABEL_RULES, text)
            other = decisions.Actor(operator("cli_two"), NOW, "", lambda: PAST)
            await decisions.approve(session, other, Kind.LABEL_RULES, found.id, found.etag, "x")
        await self.service.live.tell()
        await self.service.live.refresh()
        return found.id

    async def enterprise(
        self, domain: str = "building", industry: str | None = "K7010", region: str | None = None
    ) -> UUID:
        found = uuid7_batch(1_780_000_000_000 + next(_numbers), 1)[0]
        await self.owner.execute(
            "INSERT INTO enterprises (holder_id, name, domain, industry_code, region, version, created_at)"
            " VALUES ($1, 'x', $2, $3, $4, 1, now())",
            *(found, domain, industry, region or self.region),
        )
        return found

    async def figure(
        self,
        holder: UUID,
        measure: str = "floor_area",
        amount: int = 100_000,
        year: int = 2025,
        *,
        unit: str = "dm2",
        product: str = "",
        authority: str = "",
    ) -> UUID:
        made = uuid7_batch(1_780_000_000_000 + next(_numbers), 1)[0]
        source = "operator" if authority else "enterprise"
        row = Figure(
            *(holder, made, year, measure, product, amount, unit, source, authority),
            *("statement", "1", datetime.date(2026, 3, 1), None, NOW, "cli"),
        )
        async with self.service.database.driver_transaction() as driver:
            await add_figures(driver, [row])
        return made

    async def building(self, grams_per_m2: int, year: int = 2025, m2: int = 1000) -> UUID:
        """A building of so many m² and grams per m²."""
        found = await self.enterprise()
        await self.figure(found, amount=m2 * 100, year=year)
        self.mg[found, year] = grams_per_m2 * m2 * 1000
        return found

    @property
    def emitted(self) -> Emitted:
        def one(holder: UUID, year: int) -> Emission:
            mg = self.mg.get((holder, year))
            return Emission(0, 0, 0, QUARTERS) if mg is None else Emission(mg, QUARTERS, 0, 0)

        async def of(
            _driver: Any, holders: Sequence[UUID], since: datetime.date, _until: datetime.date
        ) -> dict[UUID, Emission]:
            return {holder: one(holder, since.year) for holder in holders}

        return of

    async def begin(self, year: int = 2025, by: str = "cli_one") -> UUID:
        async with self.service.database.driver_transaction() as driver:
            return (await runs.begin(driver, self.service.live.labels, self.region, year, by, "x", NOW)).id

    async def step(self, run_id: UUID, size: int = 500) -> bool:
        async with self.service.database.driver_transaction() as driver:
            return await runs.step(driver, run_id, self.service.live.labels, self.emitted, NOW, size)

    async def work(self, run_id: UUID, size: int = 500) -> None:
        while await self.step(run_id, size):
            pass

    async def publish(self, run_id: UUID, by: str = "cli_two", *, official: bool = False) -> int:
        async with self.service.database.driver_transaction() as driver:
            run = await find_run(driver, run_id, lock=True)
            assert run is not None
            rules = self.service.live.labels.by_id(run.rules_id)
            return await runs.publish(driver, run, rules, by, next(_moments), official=official)

    async def labelled(self, year: int = 2025, *, official: bool = False) -> UUID:
        """A whole run, published."""
        run_id = await self.begin(year)
        await self.work(run_id)
        await self.publish(run_id, official=official)
        return run_id

    async def run(self, run_id: UUID) -> Run:
        async with self.service.database.driver_transaction() as driver:
            found = await find_run(driver, run_id)
        assert found is not None
        return found

    async def rows(
        self, run_id: UUID, columns: str = "colour, points, percentile, views, reasons, facts"
    ) -> Any:
        """Holder → what a run says of it."""
        found = await self.owner.fetch(
            f"SELECT holder_id, {columns} FROM enterprise_labels WHERE run_id = $1 ORDER BY holder_id", run_id
        )
        return {row[0]: tuple(row)[1:] for row in found}

    async def told(self, run_id: UUID) -> list[tuple[Any, ...]]:
        return [
            tuple(row)
            for row in await self.owner.fetch(
                "SELECT cell, indicator, enterprises, percentiles, own, released_at IS NOT NULL"
                " FROM label_distributions WHERE run_id = $1 ORDER BY 1, 2",
                run_id,
            )
        ]


def spread(count: int) -> Iterable[int]:
    """Intensities that differ."""
    return (700 + 37 * each for each in range(count))
