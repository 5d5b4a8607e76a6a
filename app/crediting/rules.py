"""What credits an act: the methodology in force, known to the database, with its points programme."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.auth.principal import covers
from app.neighbours.agreements import Agreements
from app.review.policy import ReviewPolicies
from dedup.sightings import Clocks
from points.campaigns import Campaigns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from accounts.repository import AssetKey
    from methodologies import Catalogue, Methodology
    from points.programmes import Programme, Programmes


MAX_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class CapRule:
    """A cap as the hot path needs it. `key` names its windows in the database."""

    key: str
    per: str
    counted: bool
    limit: int


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """A claim as the hot path needs it."""

    rule: str
    parts: frozenset[str]
    period: str
    required: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One methodology version with everything that a credit by it touches."""

    methodology: "Methodology"
    methodology_id: int
    scene_group: str
    movement: bool
    caps: tuple[CapRule, ...]
    claims: tuple[ClaimRule, ...]
    report_within_days: int | None
    collected: bool
    body: str | None = None
    """Name of the claim on the person's own time."""
    numbered: str | None = None
    """Name of the claim on the order number, for ever."""
    aggregation: CapRule | None = None
    """What a platform takes of a person; `key` is to be ended by the platform."""
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class ExcludedDays:
    """Days on which a scene earns nothing in a region and below it; no last day while open."""

    region: str
    scene: str
    first_day: datetime.date
    last_day: datetime.date | None


class Rules:
    """The catalogue and the programmes, tied to their rows in this database. Replaced whole when texts change."""

    def __init__(
        self,
        catalogue: "Catalogue",
        programmes: "Programmes",
        ids: dict[str, int],
        exclusions: Iterable[ExcludedDays] = (),
        campaigns: Campaigns | None = None,
        reviews: ReviewPolicies | None = None,
        clocks: Clocks | None = None,
        agreements: Agreements | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.programmes = programmes
        self.campaigns = campaigns or Campaigns()
        self.reviews = reviews or ReviewPolicies()
        self.clocks = clocks or Clocks()
        self.agreements = agreements or Agreements()
        self._ids = ids
        self._exclusions = tuple(exclusions)
        self._rules: dict[str, Rule] = {}
        self._selected: dict[tuple[str, str, datetime.date], Rule | None] = {}
        self._programmes: dict[tuple[str, datetime.date], Programme] = {}
        self._assets: dict[AssetKey, int] = {}

    def succeeded_by(
        self,
        catalogue: "Catalogue",
        ids: dict[str, int],
        exclusions: Iterable[ExcludedDays],
        programmes: "Programmes | None" = None,
        campaigns: Campaigns | None = None,
        reviews: ReviewPolicies | None = None,
        clocks: Clocks | None = None,
        agreements: Agreements | None = None,
    ) -> "Rules":
        """Rules of other texts that go on with what is known of assets, so that they can be exchanged at any time."""
        following = Rules(
            catalogue,
            self.programmes if programmes is None else programmes,
            ids,
            exclusions,
            self.campaigns if campaigns is None else campaigns,
            self.reviews if reviews is None else reviews,
            self.clocks if clocks is None else clocks,
            self.agreements if agreements is None else agreements,
        )
        following._assets = self._assets
        return following

    def select(self, region: str, scene: str, day: datetime.date) -> Rule | None:
        """The rule in force for a scene in a region on a local day; `excluded` where it earns nothing there."""
        key = (region, scene, day)
        try:
            return self._selected[key]
        except KeyError:
            methodology = self.catalogue.select(region, scene, day)
            rule = None if methodology is None else self._rule(methodology)
            if rule is not None and self._is_excluded(region, scene, day):
                rule = replace(rule, excluded=True)
            if len(self._selected) > MAX_REMEMBERED:
                self._selected.clear()
            self._selected[key] = rule
            return rule

    def programme(self, region: str, day: datetime.date) -> "Programme":
        """The points programme in force in a region on a local day."""
        key = (region, day)
        programme = self._programmes.get(key)
        if programme is None:
            if len(self._programmes) > MAX_REMEMBERED:
                self._programmes.clear()
            programme = self._programmes[key] = self.programmes.of(region, day)
        return programme

    def missing_assets(self, wanted: "set[AssetKey]") -> "set[AssetKey]":
        """Those of the assets whose ids are not known yet. Rare: one a methodology, vintage and programme."""
        return wanted - self._assets.keys()

    def learn_assets(self, ids: "Mapping[AssetKey, int]") -> None:
        """Remember ids that are committed."""
        self._assets.update(ids)

    def asset(self, key: "AssetKey") -> int:
        """Id of a known asset."""
        return self._assets[key]

    def _is_excluded(self, region: str, scene: str, day: datetime.date) -> bool:
        return any(
            each.scene == scene
            and each.first_day <= day
            and (each.last_day is None or day <= each.last_day)
            and covers(each.region, region)
            for each in self._exclusions
        )

    def _rule(self, methodology: "Methodology") -> Rule:
        known = self._rules.get(methodology.content_hash)
        if known is not None:
            return known
        rule = self.rule_of(methodology, self._ids[methodology.content_hash])
        self._rules[methodology.content_hash] = rule
        return rule

    def rule_of(self, methodology: "Methodology", methodology_id: int) -> Rule:
        """The rule of a text, whether it is in the catalogue or not."""
        scene = self.catalogue.scenes()[methodology.scene]
        claims = tuple(
            ClaimRule(claim.rule, frozenset(claim.of.split("+")), claim.period, claim.required)
            for claim in methodology.claims
        )
        return Rule(
            methodology=methodology,
            methodology_id=methodology_id,
            scene_group=scene.group,
            movement=scene.movement,
            caps=cap_rules(methodology),
            claims=claims,
            body=_named(claims, "person", "act"),
            numbered=_named(claims, "order_no", "forever"),
            report_within_days=methodology.text.report_within_days,
            collected=methodology.text.collection is not None,
            aggregation=aggregation_rule(methodology),
        )

    def id_of(self, methodology: "Methodology") -> int:
        """Id in this database of a text of the catalogue."""
        return self._ids[methodology.content_hash]


def _named(claims: tuple[ClaimRule, ...], part: str, period: str) -> str | None:
    return next((claim.rule for claim in claims if claim.period == period and part in claim.parts), None)


def cap_rules(methodology: "Methodology") -> tuple[CapRule, ...]:
    """The caps of a version; their keys stay the same over versions, so that a new text goes on counting."""
    return tuple(
        CapRule(
            key=f"{methodology.region}/{methodology.scene}/{cap.id}",
            per=cap.per,
            counted=cap.count is not None,
            limit=cap.count if cap.count is not None else cap.amount_mg or 0,
        )
        for cap in methodology.caps
    )


def aggregation_rule(methodology: "Methodology") -> CapRule | None:
    """What a platform may take by a version; counted like a cap, over versions, for each platform apart."""
    taken = methodology.text.aggregation
    if taken is None:
        return None
    key = f"{methodology.region}/{methodology.scene}/aggregation/{taken.per}"
    return CapRule(key=key, per=taken.per, counted=False, limit=taken.threshold_mg)


def aggregation_key(rule: CapRule, source_id: "UUID") -> str:
    """Names the windows of one platform in the database. A cap's own key has no fourth part."""
    return f"{rule.key}/{source_id.hex}"
