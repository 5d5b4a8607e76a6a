"""Reports, replays and reversals in any order, against a model of a few lines that knows no database."""

import asyncio
import datetime
import itertools
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
import yaml
from crediting.desk import DAY, Desk, moment
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.crediting.corroboration_decision import Behind
from app.crediting.errors import AlreadyReversed, NotReversible
from app.crediting.intake import Intake
from app.crediting.prepare import Preparer
from app.crediting.repository import know_methodologies
from app.crediting.rules import Rules
from app.crediting.service import Result
from app.embedded.stack import Stack
from app.settings import Settings
from app.verification import QUERIES
from app.wiring import Services, services, utc_now
from dedup.resolving import Held, resolve
from dedup.same_act_rules import load_rules
from dedup.sightings import Clocks, Sighting
from methodologies import load_catalogue
from methodologies.catalogue import BUILT_IN

T = TypeVar("T")
RULES = load_rules()[-1]

# -- The model -------------------------------------------------------------------------------------------------

SCENES: dict[str, tuple[str, str, int, int, bool, int | None, int | None]] = {
    # scene: region, per act, mg, points, has a period, acts a day, mg a day
    "metro": ("440300", "trip.metro", 93_400, 93, True, 20, None),
    "bus": ("420100", "trip.bus", 150_000, 150, True, 20, None),
    "bag": ("420100", "green.own_bag", 5_000, 5, False, 3, None),
    "scarce": ("330100", "green.own_bag", 5_000, 5, False, None, 12_000),
    "clothes": ("510500", "recycling.clothes", 1_280_000, 30, False, 5, None),
}


@dataclass(frozen=True)
class Act:
    """A report as the model sees it."""

    event_id: str
    source: int
    person: int
    scene: str
    start: int
    length: int
    order: str | None

    @property
    def period(self) -> tuple[float, float] | None:
        """Seconds, a minute or an eighth of the length less at both ends."""
        if not SCENES[self.scene][4]:
            return None
        seconds = self.length * 60
        cut = min(60, seconds // 8)
        return self.start * 60 + cut, self.start * 60 + seconds - cut

    @property
    def sighting(self) -> Sighting:
        amount = 2_000 if self.scene == "metro" else None
        order = None if self.order is None else ("issuer", self.order)
        start, end = self.start * 60, (self.start + self.length) * 60
        return Sighting(str(self.source), SCENES[self.scene][1], start, end, 120, amount, order)

    @property
    def day(self) -> int:
        return self.start // 1440


Key = tuple[int, str]
"""(source, event id)."""


@dataclass
class Kept:
    """What the model holds of an activity."""

    act: Act
    outcome: str
    reason: str | None
    mg: int = 0
    points: int = 0
    winners: set[Key] = field(default_factory=set)
    reversed: bool = False
    claimed: tuple[float, float] | None = None

    @property
    def key(self) -> Key:
        return self.act.source, self.act.event_id

    @property
    def live(self) -> bool:
        return self.outcome in ("credited", "capped") and not self.reversed


Period = tuple[float, float]


def overlap(one: Period | None, other: Period | None) -> float:
    return min(one[1], other[1]) - max(one[0], other[0]) if one and other else 0


def cut(act: Act, claimed: Period, overlapping: list[Kept]) -> Period:
    """A quarter of the act at most, where clocks explain the overlap; else as it was."""
    raw = act.start * 60, (act.start + act.length) * 60
    start, end = claimed
    for kept in overlapping:
        other = kept.act.start * 60, (kept.act.start + kept.act.length) * 60
        if overlap(raw, other) > (60 if kept.act.source == act.source else 240):
            return claimed
        if other[0] <= raw[0]:
            start = max(start, kept.claimed[1])
        else:
            end = min(end, kept.claimed[0])
    over = start - raw[0] + raw[1] - end - act.length * 60 // 4
    if over > 0 and end == claimed[1]:
        end = min(raw[1], end + over)
    elif over > 0 and start == claimed[0]:
        start = max(raw[0], start - over)
    return (start, end) if start - raw[0] + raw[1] - end <= act.length * 60 // 4 and start < end else claimed


class Model:
    def __init__(self) -> None:
        self.kept: dict[Key, Kept] = {}
        self.consents: set[tuple[int, int]] = set()

    def report(self, act: Act) -> Kept | None:
        """What a new report becomes; None where it leaves nothing behind."""
        if (act.person, act.source) not in self.consents:
            return None
        kept = self.kept[act.source, act.event_id] = self._decide(act)
        return kept

    def _decide(self, act: Act) -> Kept:  # noqa: PLR0911 - one a reason
        _, _, mg, points, _, most_acts, most_mg = SCENES[act.scene]
        live = [kept for kept in self.kept.values() if kept.live]
        if act.order is None and act.scene in ("bag", "scarce", "bus", "clothes"):
            return Kept(act, "rejected", "missing_order_no")
        if same := {kept.key for kept in live if act.order and kept.act.order == act.order}:
            return Kept(act, "duplicate", "claimed_order", winners=same)
        claimed, winners = self._claimed(act, live)
        if winners:
            return Kept(act, "duplicate", "claimed_body", winners=winners)
        today = [
            kept
            for kept in live
            if (kept.act.person, kept.act.scene, kept.act.day) == (act.person, act.scene, act.day)
        ]
        if most_acts is not None and len(today) >= most_acts:
            return Kept(act, "rejected", "cap_reached")
        if most_mg is not None:
            headroom = most_mg - sum(kept.mg for kept in today)
            if headroom <= 0:
                return Kept(act, "rejected", "cap_reached")
            if headroom < mg:
                return Kept(act, "capped", "cap_crossed", headroom, headroom // 1000, claimed=claimed)
        return Kept(act, "credited", None, mg, points, claimed=claimed)

    def _claimed(self, act: Act, live: list[Kept]) -> tuple[Period | None, set[Key]]:
        """What the act may claim of its person's time, and who holds it where that is nothing."""
        claimed = act.period
        if claimed is None:
            return None, set()
        own = [kept for kept in live if kept.act.person == act.person and kept.claimed]
        if met := resolve(act.sighting, [Held(kept.key, kept.act.sighting) for kept in own], RULES, Clocks()):
            return None, set(met.winners)
        overlapping = [kept for kept in own if overlap(kept.claimed, claimed) > 0]
        if overlapping:
            claimed = cut(act, claimed, overlapping)
        return claimed, {kept.key for kept in own if overlap(kept.claimed, claimed) > 0}

    def holders_of(self, act: Act) -> set[Key]:
        """Whose credits leave an act none."""
        live = [kept for kept in self.kept.values() if kept.live]
        same = {kept.key for kept in live if act.order and kept.act.order == act.order}
        return same | self._claimed(act, live)[1]

    def balance(self, person: int) -> tuple[int, int]:
        own = [kept for kept in self.kept.values() if kept.live and kept.act.person == person]
        return sum(kept.mg for kept in own), sum(kept.points for kept in own)


# -- The machine -----------------------------------------------------------------------------------------------

# Few people, times and numbers, so that they meet. Some times lie around a midnight.
acts = st.builds(
    Act,
    event_id=st.just(""),
    source=st.integers(0, 1),
    person=st.integers(0, 1),
    scene=st.sampled_from(sorted(SCENES)),
    start=st.integers(600, 640) | st.integers(1425, 1445),
    length=st.integers(2, 25),
    order=st.sampled_from([None, None, "n1", "n2", "n3", "n4", "n5", "n6"]),
)
trips = st.builds(
    Act,
    event_id=st.just(""),
    source=st.integers(0, 1),
    person=st.integers(0, 1),
    scene=st.just("metro"),
    start=st.integers(600, 640) | st.integers(1425, 1445),
    length=st.integers(2, 25),
    order=st.none(),
)
fresh_orders = st.builds(
    Act,
    event_id=st.just(""),
    source=st.integers(0, 1),
    person=st.integers(0, 1),
    scene=st.sampled_from(["bag", "scarce", "clothes"]),
    start=st.integers(600, 640),
    length=st.just(2),
    order=st.just("fresh"),
)


class Crediting(RuleBasedStateMachine):
    """One example has sources, people and order numbers of its own; all share one database."""

    run: ClassVar[Callable[[Coroutine[Any, Any, Any]], Any]]
    desk: ClassVar[Desk]
    numbers: ClassVar[Iterator[int]] = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.tag = uuid.uuid4().hex
        self.ids: dict[Key, UUID] = {}

    @initialize(also=st.booleans())
    def people(self, also: bool) -> None:
        async def work() -> tuple[list[UUID], list[tuple[str, UUID]]]:
            sources = [await self.desk.source() for _ in range(2)]
            first = await self.desk.people(1, *sources)
            # The second person may have consented to one source only.
            second = await self.desk.people(1, *(sources if also else sources[:1]))
            return sources, first + second

        self.sources, self.persons = self.run(work())
        self.model.consents = {(0, 0), (0, 1), (1, 0)} | ({(1, 1)} if also else set())

    def body(self, act: Act) -> dict[str, Any]:
        region, scene, _, _, has_period, _, _ = SCENES[act.scene]
        report: dict[str, Any] = {
            "event_id": act.event_id,
            "scene": scene,
            "region": region,
            "subject": {"scheme": "phone", "value": self.persons[act.person][0]},
            "issuer": "issuer",
        }
        if has_period:
            report |= {"started_at": moment(act.start), "ended_at": moment(act.start + act.length)}
        else:
            report |= {"occurred_at": moment(act.start)}
        if act.order is not None:
            report["order_no"] = f"{self.tag}-{act.order}"
        if act.scene == "metro":
            report["distance_m"] = 2_000
        elif act.scene == "clothes":
            report["mass_g"] = 1000
        else:
            report["count"] = 1
        return report

    def send(self, batch: list[Act]) -> list[Result]:
        prepared = [self.desk.prepare(self.sources[act.source], self.body(act)) for act in batch]

        async def work() -> list[Any]:
            if len(prepared) == 1:
                return [await self.desk.intake.report(prepared[0])]
            return await self.desk.intake.report_batch(prepared)

        return self.run(work())

    def check(self, act: Act, result: Result, kept: Kept | None, *, replayed: bool) -> None:
        if kept is None:
            assert (result.outcome, result.reason, result.activity_id) == ("rejected", "no_consent", None)
            return
        assert (result.outcome, result.reason) == (kept.outcome, kept.reason), (act, result)
        assert (result.co2e_mg, result.points) == (kept.mg, kept.points)
        assert result.replayed == replayed
        assert (result.reversed_at is not None) == kept.reversed
        assert result.activity_id is not None
        key = (act.source, act.event_id)
        assert self.ids.setdefault(key, result.activity_id) == result.activity_id
        winners = {self.ids[key] for key in kept.winners}
        assert (result.winner_id in winners) if winners else result.winner_id is None

    @rule(batch=st.lists(acts | fresh_orders, min_size=1, max_size=5))
    def report(self, batch: list[Act]) -> None:
        """Overlaps and order numbers that come again: whatever the drawn acts bring."""
        self.report_all(batch)

    @rule(batch=st.lists(trips, min_size=2, max_size=5))
    def trips_of_a_few_minutes(self, batch: list[Act]) -> None:
        """What overlaps, and what follows so closely that it does not."""
        self.report_all(batch)

    @rule(first=trips, gap=st.integers(-4, 1), length=st.integers(8, 25))
    def one_after_the_other(self, first: Act, gap: int, length: int) -> None:
        """Two in a row, some minutes of each other: what only touches after trimming is two acts."""
        first = replace(first, length=max(first.length, 8))
        self.report_all([first, replace(first, start=first.start + first.length + gap, length=length)])

    @rule(act=fresh_orders, count=st.integers(2, 6))
    def many_of_a_day(self, act: Act, count: int) -> None:
        """What crosses a cap and what comes after it."""
        self.report_all([act] * count)

    def report_all(self, batch: list[Act]) -> None:
        named = []
        for act in batch:
            number = next(self.numbers)
            order = f"fresh{number}" if act.order == "fresh" else act.order
            named.append(replace(act, event_id=f"e{number}", order=order))
        expected = [self.model.report(act) for act in named]
        for act, result, kept in zip(named, self.send(named), expected, strict=True):
            self.check(act, result, kept, replayed=False)

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        if self.model.kept:
            kept = data.draw(st.sampled_from(list(self.model.kept.values())))
            (result,) = self.send([kept.act])
            self.check(kept.act, result, kept, replayed=True)

    @rule(data=st.data())
    def replay_with_another_body(self, data: st.DataObject) -> None:
        if self.model.kept:
            kept = data.draw(st.sampled_from(list(self.model.kept.values())))
            (result,) = self.send([replace(kept.act, start=kept.act.start + 1)])
            assert (result.outcome, result.reason) == ("rejected", "event_id_conflict")
            assert result.activity_id is None

    @rule(data=st.data())
    def same_event_of_the_other_source(self, data: st.DataObject) -> None:
        """An event id is the source's own."""
        candidates = [
            kept.act
            for (source, event), kept in self.model.kept.items()
            if (1 - source, event) not in self.model.kept
        ]
        if candidates:
            drawn = data.draw(st.sampled_from(candidates))
            act = replace(drawn, source=1 - drawn.source)
            kept = self.model.report(act)
            (result,) = self.send([act])
            self.check(act, result, kept, replayed=False)

    @rule(data=st.data(), behind=st.sampled_from([Behind.REFUTED, Behind.DECIDE_AGAIN]))
    def reverse(self, data: st.DataObject, behind: Behind) -> None:
        live = [key for key, kept in self.model.kept.items() if kept.live]
        if live:
            key = data.draw(st.sampled_from(live))
            self.run(self.desk.reverse(self.sources[key[0]], self.ids[key], behind))
            self.model.kept[key].reversed = True
            self.take_up(self.model.kept[key], behind)

    def take_up(self, had: Kept, behind: Behind) -> None:
        """Who got the credit of what was reversed is not the model's to say, but who may get it is."""

        async def work() -> list[Any]:
            async with self.desk.service.database.driver_transaction() as driver:
                return await driver.fetch(
                    """
                    SELECT id, outcome, reason, co2e_mg, points, winner_id FROM activities
                    WHERE id = ANY($1::uuid[]) AND outcome IN ('credited', 'capped') AND reversed_at IS NULL
                    """,
                    list(self.ids.values()),
                )

        keys = {activity_id: key for key, activity_id in self.ids.items()}
        got = [row for row in self.run(work()) if not self.model.kept[keys[row["id"]]].live]
        assert len(got) <= (behind is Behind.DECIDE_AGAIN)
        for row in got:
            kept = self.model.kept[keys[row["id"]]]
            assert (kept.outcome, kept.act.person) == ("duplicate", had.act.person)
            assert kept.act.source != had.act.source
            assert self.model.holders_of(kept.act) == set()
            assert 0 < row["co2e_mg"] <= SCENES[kept.act.scene][2]
            kept.outcome, kept.reason = row["outcome"], row["reason"]
            kept.mg, kept.points, kept.claimed = row["co2e_mg"], row["points"], kept.act.period
            kept.winners = {keys[row["winner_id"]]} if row["winner_id"] else set()

    @rule(data=st.data())
    def reverse_what_cannot_be(self, data: st.DataObject) -> None:
        dead = [key for key, kept in self.model.kept.items() if not kept.live]
        if dead:
            key = data.draw(st.sampled_from(dead))
            error = AlreadyReversed if self.model.kept[key].reversed else NotReversible
            with pytest.raises(error):
                self.run(self.desk.reverse(self.sources[key[0]], self.ids[key]))

    @invariant()
    def balances(self) -> None:
        if not self.model.kept:
            return

        async def work() -> dict[UUID, tuple[int, int]]:
            async with self.desk.service.database.driver_transaction() as driver:
                rows = await driver.fetch(
                    "SELECT holder_id, open_mg, points FROM balances WHERE holder_id = ANY($1::uuid[])",
                    [holder for _, holder in self.persons],
                )
            return {row[0]: (row[1], row[2]) for row in rows}

        stored = self.run(work())
        for number, (_, holder) in enumerate(self.persons):
            assert stored[holder] == self.model.balance(number)

    def teardown(self) -> None:
        async def work() -> list[str]:
            async with self.desk.service.database.snapshot() as driver:
                return [name for name, (_, query) in QUERIES.items() if await driver.fetchval(query)]

        assert self.run(work()) == []


PACK = {
    "region": "330100",
    "scene": "green.own_bag",
    "code": "TEST.scarce",
    "version": "1",
    "title": {"zh": "测试", "en": "Test"},
    "authority": None,
    "document": {"title": "测试文本"},
    "filing_no": None,
    "in_force": {"from": datetime.date(2024, 1, 1), "to": None},
    "status": "unverified",
    "confidence": "quoted",
    "inputs": [{"name": "count", "unit": "act", "min": 1, "max": 1}],
    "parameters": [
        {"name": "each", "value": "5", "unit": "gCO2e/act", "source": "来源", "confidence": "quoted"}
    ],
    "formula": "count * each",
    # Two and a bit of a day: the third act crosses it.
    "caps": [
        {"id": "grams_per_day", "per": "day", "amount_mg": 12_000, "basis": "programme", "source": "测试"}
    ],
    "claims": [{"rule": "order", "of": "order_no", "period": "forever", "required": True}],
    "examples": [{"inputs": {"count": 1}, "co2e_g": "5", "basis": "5 g"}],
}


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in packs and one whose cap is an amount, which none of them has."""
    folder = tmp_path_factory.mktemp("packs")
    (folder / "scarce").mkdir()
    (folder / "scarce" / "pack.yaml").write_text(
        yaml.safe_dump({"regions": [{"region": "330100", "name": {"zh": "杭州市", "en": "Hangzhou"}}]})
    )
    (folder / "scarce" / "green.yaml").write_text(yaml.safe_dump(PACK, allow_unicode=True))
    return folder


async def with_packs(service: Services, folder: Path) -> None:
    """Let the service credit by these packs, too."""
    catalogue = load_catalogue(BUILT_IN, folder, demonstration=True)
    async with service.database.driver_transaction() as driver:
        ids = await know_methodologies(
            driver,
            [
                (m.region, m.scene, m.code, m.version, m.content_hash, m.content, m.issuable)
                for m in catalogue.methodologies
            ],
            utc_now(),
        )
    programmes = service.preparer.rules.programmes
    service.preparer = Preparer(Rules(catalogue, programmes, ids), service.hasher, service.token_maker)
    service.intake = Intake(service.database, service.preparer, utc_now, committers=2, group_max=500)


def test_any_sequence_comes_out_as_the_model_says(
    settings_of_machine: settings,
    settings: Settings,
    stack: Stack,
    database_urls: tuple[str, str],
    packs: Path,
) -> None:
    assert DAY + datetime.timedelta(days=2) < utc_now()
    with asyncio.Runner() as runner:
        exits = AsyncExitStack()

        async def begin() -> Desk:
            service = await exits.enter_async_context(services(settings, database_urls[0], stack.redis_url))
            await with_packs(service, packs)
            return Desk(service)

        Crediting.run = staticmethod(runner.run)  # type: ignore[assignment]
        Crediting.desk = runner.run(begin())
        try:
            run_state_machine_as_test(Crediting, settings=settings_of_machine)  # type: ignore[no-untyped-call]
            assert runner.run(Crediting.desk.breaches()) == []
            assert set(runner.run(what_happened(Crediting.desk))) >= {
                ("capped", "cap_crossed"),
                ("credited", None),
                ("duplicate", "claimed_body"),
                ("duplicate", "claimed_order"),
                ("rejected", "cap_reached"),
                ("rejected", "missing_order_no"),
            }
        finally:
            runner.run(exits.aclose())


async def what_happened(desk: Desk) -> dict[tuple[str, str | None], int]:
    async with desk.service.database.driver_transaction() as driver:
        rows = await driver.fetch("SELECT outcome, reason, count(*) FROM activities GROUP BY 1, 2")
    return {(row[0], row[1]): row[2] for row in rows}


@pytest.fixture
def settings_of_machine() -> settings:
    return settings(
        max_examples=100,
        stateful_step_count=20,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
