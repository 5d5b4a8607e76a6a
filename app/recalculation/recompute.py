"""One holder's acts under the corrected text: what changes, and what cannot. Pure.

The acts give back what they used of caps and are decided again, in the order of their booking, by the crediting's own
decision. What is left of the caps by other acts is all that they may use.
"""

import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.models import AccountKind, AssetKind
from app.crediting.decision import HOLDING, Candidate, CapKey, State, decide, let_aggregate, window_start
from app.crediting.models import Outcome
from app.crediting.prepare import Prepared, place_and_time
from app.crediting.rules import aggregation_key
from dedup.periods import day_of
from methodologies import Catalogue, Methodology, Refused

if TYPE_CHECKING:
    from accounts.repository import AssetKey
    from app.crediting.rules import CapRule, Rule, Rules

BOOKED = frozenset({Outcome.CREDITED, Outcome.CAPPED})
LotKey = tuple[int, datetime.date]
"""(asset, expiry date) of one holder's lot."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the entries of an activity leave standing of one asset between a system's account and a holder's."""

    asset_id: int
    points: bool
    system: int
    account: int
    amount: int


@dataclass(slots=True)
class Act:
    """A stored activity that counts, or that an earlier recalculation left without credit."""

    holder_id: UUID
    id: UUID
    source_id: UUID
    scene: str
    region: str
    started_s: int
    booked_s: int
    evidence: str
    inputs: dict[str, int | str]
    outcome: Outcome
    reason: str | None
    methodology_id: int
    co2e_mg: int
    aggregated_mg: int
    full_mg: int
    points: int
    pending: bool
    """Whether it waits to be collected, or did when it lost its credit."""
    aggregates: bool
    """Whether the person let the source take the reduction when it was booked."""
    caps: Sequence["CapRule"]
    aggregation: "CapRule | None"
    """What the old text let the source take."""
    standing: Sequence[Standing] = ()
    credited_on: datetime.date = datetime.date.min
    """The local day on which it was first booked as a credit: it decides when its points expire."""

    @property
    def capped(self) -> bool:
        """Whether a cap left less than was computed."""
        return self.co2e_mg + self.aggregated_mg < self.full_mg


@dataclass(slots=True)
class Holding:
    """What a holder has."""

    open_mg: int
    lots: dict[LotKey, int]
    """What is left of those that have not expired."""
    caps: dict[CapKey, int]
    by_asset: Mapping[int, int] | None = None
    """Asset → open mg, of who has used grams or had them issued; None where all that was credited is open."""
    owed: dict[int, int] = field(default_factory=dict)
    """Asset → points that the holder owes."""


@dataclass(slots=True)
class Change:
    """An activity as it was, and what becomes of it."""

    act: Act
    inputs: dict[str, int | str]
    outcome: Outcome
    reason: str | None
    co2e_mg: int
    aggregated_mg: int
    full_mg: int
    points: int
    reduction_asset: int
    points_asset: int
    expires_on: datetime.date
    repays: int = 0
    """What of the points that it gains goes to what the holder owes."""

    @property
    def capped(self) -> bool:
        """Whether a cap leaves less than is computed."""
        return self.co2e_mg + self.aggregated_mg < self.full_mg

    @property
    def booked(self) -> bool:
        """Whether it is in the ledger from now on."""
        return self.outcome in BOOKED

    @property
    def open_mg(self) -> int:
        """What the holder's open grams change by."""
        before = sum(each.amount for each in self.act.standing if each.account == AccountKind.HOLDER_OPEN)
        return (self.co2e_mg if self.booked else 0) - before

    def grams(self) -> dict[int, int]:
        """What the holder's open grams change by, of each asset."""
        changes: dict[int, int] = {}
        for each in self.act.standing:
            if each.account == AccountKind.HOLDER_OPEN:
                changes[each.asset_id] = changes.get(each.asset_id, 0) - each.amount
        if self.booked and self.co2e_mg:
            changes[self.reduction_asset] = changes.get(self.reduction_asset, 0) + self.co2e_mg
        return {asset: amount for asset, amount in changes.items() if amount}

    @property
    def gained_points(self) -> int:
        """Points more than stand of it, of the asset that it is credited in."""
        stood = sum(
            each.amount for each in self.act.standing if each.asset_id == self.points_asset and each.points
        )
        return max(self.points - stood, 0) if self.booked else 0

    def split(self) -> dict[int, tuple[int, int]]:
        """Points asset → what is to stand of it in the holder's lot, and what of it repays or repaid a debt.

        Of what becomes less, the lot gives first; then the debt that it repaid is owed again.
        """
        wanted = {each.asset_id: 0 for each in self.act.standing if each.points}
        if self.booked and self.points:
            wanted[self.points_asset] = self.points
        found = {}
        for asset, points in wanted.items():
            repaid = self.stood(asset, AccountKind.HOLDER_OWED)
            repaid = min(points, repaid + (self.repays if asset == self.points_asset else 0))
            found[asset] = (points - repaid, repaid)
        return found

    def stood(self, asset: int, account: AccountKind) -> int:
        """What stood of it before, of one asset in one of the holder's accounts."""
        return sum(
            each.amount
            for each in self.act.standing
            if each.points and (each.asset_id, each.account) == (asset, account)
        )

    def lots(self) -> dict[LotKey, int]:
        """What the holder's lots change by."""
        changes = {
            (asset, self.expires_on): there - self.stood(asset, AccountKind.HOLDER_POINTS)
            for asset, (there, _) in self.split().items()
        }
        return {key: amount for key, amount in changes.items() if amount}

    def owed(self) -> dict[int, int]:
        """Asset → what the holder owes more by it; less where it is negative."""
        changes = {
            asset: self.stood(asset, AccountKind.HOLDER_OWED) - repaid
            for asset, (_, repaid) in self.split().items()
        }
        return {asset: points for asset, points in changes.items() if points}


@dataclass(slots=True)
class Plan:
    """What is to be done for a holder. `caps`: window → (use, limit where the new text sets one)."""

    changes: list[Change] = field(default_factory=list)
    skipped: dict[UUID, str] = field(default_factory=dict)
    caps: dict[CapKey, tuple[int, int | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Correction:
    """The corrected text, with what else its credits follow from."""

    rule: "Rule"
    rules: "Rules"
    assets: Mapping["AssetKey", int]

    @property
    def text(self) -> Methodology:
        """The methodology."""
        return self.rule.methodology

    def keys(self, act: Act) -> set[CapKey]:
        """Windows that an act used by its old text, or may use by the new one."""
        keys = {_window(act, cap) for cap in (*act.caps, *self.rule.caps)}
        return keys | {
            _share(act, rule) for rule in (act.aggregation, self.rule.aggregation) if rule is not None
        }


def asset_keys(rules: "Rules", rule: "Rule", act: Act) -> tuple["AssetKey", "AssetKey"]:
    """What an act's grams and points are by the new text: of the methodology and vintage, and of the programme."""
    day = day_of(act.started_s)
    programme = rules.programme(act.region, day)
    return (AssetKind.REDUCTION, rule.methodology_id, day.year, ""), (AssetKind.POINTS, 0, 0, programme.key)


def counts_for(catalogue: Catalogue, text: Methodology) -> Callable[[str, datetime.date], bool]:
    """Tells whether a text is the one that counts in a region on a day, were it in the catalogue."""
    known = catalogue.by_hash(text.content_hash)
    period = text.in_force if known is None else catalogue.period(known)

    @functools.cache
    def counts(region: str, day: datetime.date) -> bool:
        if day not in period:
            return False
        for place in catalogue.chain(region, text.scene, day):
            if place == text.region:
                return True
            if any(day in catalogue.period(each) for each in catalogue.of(place, text.scene)):
                return False
        return False

    return counts


def recompute(acts: Sequence[Act], correction: Correction, holding: Holding) -> Plan:
    """Decide one holder's acts again, in the order of their booking; what would end below nothing stays as it is."""
    skipped = {act.id: "not_collectable" for act in acts if act.pending and not _collectable(act, correction)}
    while True:
        changes, plan_caps = _decide([act for act in acts if act.id not in skipped], correction, holding)
        impossible = _impossible(changes, holding)
        if not impossible:
            return Plan(changes, skipped, plan_caps)
        skipped |= impossible


def _decide(
    acts: Sequence[Act], correction: Correction, holding: Holding
) -> tuple[list[Change], dict[CapKey, tuple[int, int | None]]]:
    state = State(caps=dict(holding.caps))
    touched: dict[CapKey, int | None] = {}
    for act in acts:
        if act.outcome in HOLDING:
            for cap in act.caps:
                key = _window(act, cap)
                used = 1 if cap.counted else act.co2e_mg + act.aggregated_mg
                state.caps[key] = state.caps.get(key, 0) - used
                touched[key] = None
            if act.aggregated_mg and act.aggregation is not None:
                key = _share(act, act.aggregation)
                state.caps[key] = state.caps.get(key, 0) - act.aggregated_mg
                touched[key] = None
    candidates = [_candidate(act, correction) for act in acts]
    decide(candidates, state)
    changes = []
    owed = dict(holding.owed)
    for act, candidate in zip(acts, candidates, strict=True):
        if candidate.earns:
            touched.update((key, cap.limit) for cap, key in candidate.caps)
        if candidate.aggregated_mg and candidate.aggregation is not None:
            limit, key = candidate.aggregation
            touched[key] = limit
        change = _change(act, candidate, correction)
        change.repays = min(change.gained_points, owed.get(change.points_asset, 0))
        for asset, points in change.owed().items():
            owed[asset] = owed.get(asset, 0) + points
        changes.append(change)
    return changes, {key: (state.caps[key], limit) for key, limit in touched.items()}


def _collectable(act: Act, correction: Correction) -> bool:
    """Whether a pending act could be collected under the corrected text, or by its programme."""
    if correction.text.text.collection is not None:
        return True
    return correction.rules.programme(act.region, day_of(act.started_s)).collection is not None


def _candidate(act: Act, correction: Correction) -> Candidate:
    """An act as the crediting's decision takes it. It makes no claims: those that it has it keeps."""
    text, day = correction.text, day_of(act.started_s)
    p = Prepared()
    p.source_id, p.scene, p.region = act.source_id, act.scene, act.region
    p.evidence, p.started_s = act.evidence, act.started_s
    p.rule = correction.rule
    p.programme = correction.rules.programme(act.region, day)
    p.inputs = {**act.inputs, **place_and_time(text.context, act.region, day)}
    p.full_mg = p.quantified_mg = 0
    p.refusal = _refusal(act, correction, day)
    if p.refusal is None:
        try:
            p.quantified_mg = text.quantify(p.inputs)
            p.full_mg = text.share(p.quantified_mg, act.evidence)
        except Refused as refused:
            p.refusal = refused.code
    candidate = Candidate(p, (act.holder_id, b""), act.id)
    if p.refusal is None:
        candidate.caps = [(cap, _window(act, cap)) for cap in correction.rule.caps]
        if act.aggregates:
            let_aggregate(candidate)
    return candidate


def _refusal(act: Act, correction: Correction, day: datetime.date) -> str | None:
    """What of a text's refusals follows from what is stored."""
    within = correction.rule.report_within_days
    if within is not None and (day_of(act.booked_s) - day).days > within:
        return "reported_late"
    if "kind" in act.inputs and "kind" not in correction.text.context:
        return "unknown_kind"
    return None


def _change(act: Act, candidate: Candidate, correction: Correction) -> Change:
    p = candidate.prepared
    outcome = Outcome.REJECTED
    if candidate.earns:
        full = candidate.co2e_mg + candidate.aggregated_mg == p.full_mg
        outcome = Outcome.PENDING if act.pending else Outcome.CREDITED if full else Outcome.CAPPED
    reduction, points = asset_keys(correction.rules, correction.rule, act)
    return Change(
        act=act,
        inputs=p.inputs,
        outcome=outcome,
        reason=candidate.reason,
        co2e_mg=candidate.co2e_mg,
        aggregated_mg=candidate.aggregated_mg,
        full_mg=p.full_mg,
        points=candidate.points,
        # 0 is no asset's id: in a preview, one that is not there yet.
        reduction_asset=correction.assets.get(reduction, 0),
        points_asset=correction.assets.get(points, 0),
        expires_on=p.programme.expires_on(act.credited_on),
    )


def _impossible(changes: Sequence[Change], holding: Holding) -> dict[UUID, str]:
    """Acts whose points are spent or expired, or grams used.

    What others gain counts first, then they follow in their order.
    """
    lots, open_mg = dict(holding.lots), holding.open_mg
    by_asset = None if holding.by_asset is None else dict(holding.by_asset)
    for change in changes:
        open_mg += max(change.open_mg, 0)
        if by_asset is not None:
            _add(by_asset, {asset: amount for asset, amount in change.grams().items() if amount > 0})
        for key, amount in change.lots().items():
            lots[key] = lots.get(key, 0) + max(amount, 0)
    found: dict[UUID, str] = {}
    for change in changes:
        lost = {key: amount for key, amount in change.lots().items() if amount < 0}
        if any(lots.get(key, 0) + amount < 0 for key, amount in lost.items()):
            found[change.act.id] = "points_spent"
        elif open_mg + min(change.open_mg, 0) < 0 or (
            by_asset is not None
            and any(by_asset.get(asset, 0) + amount < 0 for asset, amount in _less(change).items())
        ):
            found[change.act.id] = "grams_used"
        else:
            open_mg += min(change.open_mg, 0)
            if by_asset is not None:
                _add(by_asset, _less(change))
            for key, amount in lost.items():
                lots[key] += amount
    return found


def _less(change: Change) -> dict[int, int]:
    return {asset: amount for asset, amount in change.grams().items() if amount < 0}


def _add(known: dict[int, int], changes: Mapping[int, int]) -> None:
    for asset, amount in changes.items():
        known[asset] = known.get(asset, 0) + amount


def _window(act: Act, cap: "CapRule") -> CapKey:
    return (act.holder_id, cap.key, window_start(cap.per, act.started_s))


def _share(act: Act, rule: "CapRule") -> CapKey:
    """The window of what the act's platform takes."""
    return (act.holder_id, aggregation_key(rule, act.source_id), window_start(rule.per, act.started_s))
