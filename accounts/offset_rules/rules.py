"""Dated rules of offsetting, market by market, and what they name: kinds of reductions, sources, recognition. Pure.

A clause is known with its source, `unstated` (not among what is known of the rule), or `unknown`: it exists or may
exist, and was not to be had.
"""

import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from accounts.fields import Group, Region, Text

_HERE: Final = Path(__file__).parent
WHOLE_BP: Final = 10_000
Year = Annotated[int, Field(strict=True, ge=2000, le=2199)]
Base = Literal["allowances_issued", "allowances_to_surrender"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class RuleWords(_Data):
    """The same in Chinese and in English."""

    zh: Annotated[str, Field(min_length=1, max_length=500)]
    en: Annotated[str, Field(min_length=1, max_length=500)]


class RuleSource(_Data):
    """The text that a clause is read from, and how it is known: `quoted` from it, or `derived`."""

    title: Annotated[str, Field(min_length=1, max_length=500)]
    url: Annotated[str | None, Field(max_length=500)] = None
    confidence: Literal["quoted", "derived"]


class AllowedKinds(_Data):
    """Which kinds of reductions are taken."""

    allowed: tuple[Group, ...] = ()
    unknown: RuleWords | None = None
    source: RuleSource | None = None

    @model_validator(mode="after")
    def _one_of(self) -> "AllowedKinds":
        _known_or_not(bool(self.allowed), self.unknown, self.source)
        return self


class LimitRule(_Data):
    """At most a share of allowances, or so many tonnes, for the kinds named, or those from outside a region."""

    code: Group
    kinds: Annotated[tuple[Group, ...], Field(min_length=1, max_length=40)]
    outside: Region | None = Field(
        default=None, description="Only what comes from outside this region counts to it"
    )
    base: Base | None = None
    share_bp: Annotated[int | None, Field(strict=True, ge=0, le=WHOLE_BP)] = None
    most_t: Annotated[int | None, Field(strict=True, ge=0, le=10**9)] = None
    source: RuleSource

    @model_validator(mode="after")
    def _one_measure(self) -> "LimitRule":
        if (self.base is None) != (self.share_bp is None) or (self.base is None) == (self.most_t is None):
            raise PydanticCustomError("limit", "a share of a base, or a number of tonnes")
        return self

    def cap_kg(self, issued_t: int | None, surrender_t: int | None) -> int | None:
        """The limit in kg, rounded down; None where the base is not on record."""
        if self.most_t is not None:
            return self.most_t * 1000
        base_t = issued_t if self.base == "allowances_issued" else surrender_t
        return None if base_t is None else base_t * 1000 * (self.share_bp or 0) // WHOLE_BP

    @property
    def outside_prefix(self) -> str | None:
        """What the codes of the region begin with whose reductions do not count."""
        return None if self.outside is None else _beginning(self.outside)

    def counts(self, kind: str, region: str) -> bool:
        """Whether a reduction counts to it."""
        return kind in self.kinds and (self.outside is None or not within(region, self.outside))


class FilingDeadline(_Data):
    """The last day of filing, by compliance period."""

    days: dict[Year, datetime.date] = Field(default_factory=dict)
    unknown: RuleWords | None = None
    source: RuleSource | None = None

    @model_validator(mode="after")
    def _one_of(self) -> "FilingDeadline":
        if bool(self.days) != (self.source is not None) or not (self.days or self.unknown):
            raise PydanticCustomError("clause", "days with their source, or what is unknown of them")
        return self


class VintageRule(_Data):
    """When the reductions must have happened."""

    first_day: datetime.date | None = None
    last_day: datetime.date | None = None
    unstated: bool = False
    unknown: RuleWords | None = None
    source: RuleSource | None = None

    @model_validator(mode="after")
    def _one_of(self) -> "VintageRule":
        _known_or_not(
            self.first_day is not None or self.last_day is not None,
            self.unknown,
            self.source,
            unstated=self.unstated,
        )
        return self


class BoundaryRule(_Data):
    """Whether reductions from within the firm's own boundary are refused."""

    excluded: bool = False
    unstated: bool = False
    unknown: RuleWords | None = None
    source: RuleSource | None = None

    @model_validator(mode="after")
    def _one_of(self) -> "BoundaryRule":
        _known_or_not(self.excluded, self.unknown, self.source, unstated=self.unstated)
        return self


class FirmRegion(_Data):
    """Only firms of this region may use the rule."""

    region: Region
    source: RuleSource


class RuleClauses(_Data):
    """What a rule says, clause by clause."""

    periods: tuple[Year, ...] | None = Field(
        default=None, description="Compliance years it is for; null: not restricted"
    )
    kinds: AllowedKinds
    limits: Annotated[tuple[LimitRule, ...], Field(max_length=20)] = ()
    limits_unknown: RuleWords | None = None
    deadline: FilingDeadline
    vintages: VintageRule
    boundary: BoundaryRule
    firms_in: FirmRegion | None = None
    notes: Annotated[tuple[RuleWords, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _limits_told(self) -> "RuleClauses":
        codes = [limit.code for limit in self.limits]
        if len(set(codes)) < len(codes):
            raise PydanticCustomError("limits", "each limit needs a code of its own")
        if not self.limits and self.limits_unknown is None:
            raise PydanticCustomError("limits", "limits, or what is unknown of them")
        return self


class DatedRule(RuleClauses):
    """A version of a market's rule, for filings from a day on until another."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")]
    first_day: datetime.date = Field(alias="from")
    until: datetime.date | None = None

    def holds(self, filed_on: datetime.date, period: int) -> bool:
        """Whether it is for a filing of that day and compliance year."""
        in_days = self.first_day <= filed_on and (self.until is None or filed_on < self.until)
        return in_days and (self.periods is None or period in self.periods)


class MarketRules(_Data):
    """A carbon market and its rules."""

    market: Group
    region: Region
    name: RuleWords
    rules: tuple[DatedRule, ...]

    def in_force(self, filed_on: datetime.date, period: int) -> DatedRule | None:
        """The newest rule for a filing of that day and period; None where none is known."""
        found = [rule for rule in self.rules if rule.holds(filed_on, period)]
        return max(found, key=lambda rule: rule.first_day, default=None)


class OffsetRules(RuleClauses):
    """A rule of a market as operators write it down, from a day on; it goes before what ships."""

    region: Region = Field(description="The market's region")
    market: Group
    first_day: datetime.date = Field(alias="from")
    document: Text = Field(description="The text that it writes down, with its number")

    @model_validator(mode="after")
    def _of_a_market(self) -> "OffsetRules":
        found = book().market(self.market)
        if found is None or found.region != self.region:
            raise PydanticCustomError("market", "no market of this region is called so")
        named = {*self.kinds.allowed, *(kind for limit in self.limits for kind in limit.kinds)}
        if not named <= {kind.code for kind in book().kinds}:
            raise PydanticCustomError("kinds", "an unknown kind of reductions")
        return self

    def dated(self) -> DatedRule:
        """As a rule of the market."""
        clauses = {name: getattr(self, name) for name in RuleClauses.model_fields}
        return DatedRule(code=f"operators-{self.first_day.isoformat()}", first_day=self.first_day, **clauses)


class CreditKind(_Data):
    """A kind of reductions that markets name, and which units here are of it."""

    code: Group
    name: RuleWords
    unit_types: tuple[str, ...] = ()
    issued_in: Region | None = None
    methodologies: tuple[str, ...] = Field(default=(), description="Beginnings of codes; empty: any")

    def takes(self, origin_kind: str, unit_type: str, region: str, methodology: str) -> bool:
        """Whether units of an origin are of this kind."""
        if unit_type in self.unit_types:
            return True
        if origin_kind != "issuance" or self.issued_in is None or not within(region, self.issued_in):
            return False
        return not self.methodologies or methodology.startswith(self.methodologies)


class Recognition(_Data):
    """A kind of one region that counts in another region's market."""

    kind: Group
    market: Group
    first_day: datetime.date = Field(alias="from")
    until: datetime.date | None = None
    ratio: Literal["one_to_one"]
    source: RuleSource
    note: RuleWords | None = None


class MechanismExchange(_Data):
    """An exchange that takes part in a mechanism."""

    code: Group
    name: RuleWords
    region: Region
    market: Group | None = None


class Mechanism(_Data):
    """An agreement of exchanges to recognise each other's reductions, as far as it is known."""

    code: Group
    name: RuleWords
    first_day: datetime.date = Field(alias="from")
    source: RuleSource
    exchanges: tuple[MechanismExchange, ...]
    rules_unknown: RuleWords | None = None


class RuleBook(_Data):
    """Everything that ships."""

    kinds: tuple[CreditKind, ...]
    markets: tuple[MarketRules, ...]
    recognitions: tuple[Recognition, ...]
    mechanisms: tuple[Mechanism, ...]

    def market(self, code: str) -> MarketRules | None:
        """A market by its code."""
        return next((each for each in self.markets if each.market == code), None)

    def kind(self, code: str) -> CreditKind | None:
        """A kind by its code."""
        return next((each for each in self.kinds if each.code == code), None)

    def kind_of(self, origin_kind: str, unit_type: str, region: str, methodology: str) -> str | None:
        """The kind that units of an origin are of; None where no market names them."""
        found = (each.code for each in self.kinds if each.takes(origin_kind, unit_type, region, methodology))
        return next(found, None)

    def recognised(self, kind: str, market: str, day: datetime.date) -> Recognition | None:
        """The recognition by which a kind counts in a market on a day."""
        for each in self.recognitions:
            in_days = each.first_day <= day and (each.until is None or day < each.until)
            if in_days and (each.kind, each.market) == (kind, market):
                return each
        return None

    def agreed(self, region: str, market: str, day: datetime.date) -> Mechanism | None:
        """A mechanism between a region's exchange and a market, of whatever terms."""
        for each in self.mechanisms:
            takes_part = any(exchange.market == market for exchange in each.exchanges)
            theirs = any(
                within(region, exchange.region) and exchange.market != market for exchange in each.exchanges
            )
            if takes_part and theirs and each.first_day <= day:
                return each
        return None


def within(region: str, other: str) -> bool:
    """Whether a region (GB/T 2260) is another one or a part of it."""
    return region.startswith(_beginning(other))


def _beginning(region: str) -> str:
    if region == "100000":
        return ""
    return region[:2] if region.endswith("0000") else region[:4] if region.endswith("00") else region


def _known_or_not(
    known: bool, unknown: RuleWords | None, source: RuleSource | None, *, unstated: bool = False
) -> None:
    if [known, unknown is not None, unstated].count(True) != 1 or known != (source is not None):
        raise PydanticCustomError(
            "clause", "known with its source, or unknown with what is, or unstated; one of them"
        )


@cache
def book() -> RuleBook:
    """The rules that ship, read once."""
    texts = yaml.load((_HERE / "markets.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    recognition = yaml.load((_HERE / "recognition.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    sources = texts.pop("sources")
    return RuleBook.model_validate(_with_sources(texts, sources) | recognition)


def _with_sources(content: Any, sources: dict[str, Any]) -> Any:
    """The content with each source in place of its name."""
    if isinstance(content, dict):
        return {
            key: sources[value]
            if key == "source" and isinstance(value, str)
            else _with_sources(value, sources)
            for key, value in content.items()
        }
    return [_with_sources(each, sources) for each in content] if isinstance(content, list) else content
