"""Which terms of a product a holder reaches, and why. Pure.

Whatever a product's data says, nothing here grants more than 1.5 times the limit or a discount of more than 100 basis
points: the most that is published for such loans (facts, section 4). The tables' CHECKs refuse more as well.
"""

import datetime
from dataclasses import dataclass
from typing import Final

BASIS_POINTS: Final = 10_000
MOST_LIMIT_BP: Final = 15_000
"""1.5 times the limit that the bank would give without the product."""
MOST_DISCOUNT_BP: Final = 100


@dataclass(frozen=True, slots=True)
class Terms:
    """What a level reaches, from and to, in basis points: the limit as a multiple, the discount off the rate."""

    level: str
    limit_from_bp: int
    limit_to_bp: int
    discount_from_bp: int
    discount_to_bp: int

    def bounded(self) -> "Terms":
        """The same within what may be granted, and never worse than without the product."""
        low, high = sorted(
            min(max(each, BASIS_POINTS), MOST_LIMIT_BP) for each in (self.limit_from_bp, self.limit_to_bp)
        )
        less, more = sorted(
            min(max(each, 0), MOST_DISCOUNT_BP) for each in (self.discount_from_bp, self.discount_to_bp)
        )
        return Terms(self.level, low, high, less, more)


@dataclass(frozen=True, slots=True)
class Standing:
    """A holder's tier or label, or why there is none. `level` is None where too little is known."""

    basis: str
    level: str | None
    as_of: datetime.date
    card: str | None = None
    version: str | None = None
    content_hash: str | None = None
    official: bool | None = None
    year: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What the bank would give without the product, where it says so. Fen, and basis points a year."""

    limit_fen: int | None = None
    rate_bp: int | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """The decision: the rule that decided and what follows, or why none did. Amounts where the bank gave a base."""

    terms: Terms | None
    reason: str
    limit_from_fen: int | None = None
    limit_to_fen: int | None = None
    rate_from_bp: int | None = None
    rate_to_bp: int | None = None

    @property
    def eligible(self) -> bool:
        """Whether a rule of the table grants something."""
        return self.terms is not None


REASONS: Final = {
    "level_in_table": ("等级列于产品条件表", "The level is in the product's table"),
    "level_not_in_table": ("等级未列于产品条件表", "The level is not in the product's table"),
    "nothing_to_go_by": (
        "该评分卡在主体所在地区未施行，或标签尚未公布",
        "The card is not in force where the holder is, or no label was published",
    ),
    "too_little_known": ("数据不足，尚无等级", "Too little is known yet: there is no level"),
    "other_kind_of_holder": ("产品不面向此类主体", "The product is not for this kind of holder"),
}
"""Code → Chinese and English."""


def decide(table: tuple[Terms, ...], kinds_agree: bool, standing: Standing | None, wish: Wish) -> Reached:
    """The terms that a holder reaches. The limit rounds down to whole fen, and a rate never falls below zero."""
    if not kinds_agree:
        return Reached(None, "other_kind_of_holder")
    if standing is None:
        return Reached(None, "nothing_to_go_by")
    if standing.level is None:
        return Reached(None, "too_little_known")
    found = next((each for each in table if each.level == standing.level), None)
    if found is None:
        return Reached(None, "level_not_in_table")
    terms = found.bounded()
    return Reached(
        terms,
        "level_in_table",
        _multiplied(wish.limit_fen, terms.limit_from_bp),
        _multiplied(wish.limit_fen, terms.limit_to_bp),
        _lowered(wish.rate_bp, terms.discount_to_bp),
        _lowered(wish.rate_bp, terms.discount_from_bp),
    )


def _multiplied(limit_fen: int | None, by_bp: int) -> int | None:
    return None if limit_fen is None else limit_fen * by_bp // BASIS_POINTS


def _lowered(rate_bp: int | None, discount_bp: int) -> int | None:
    return None if rate_bp is None else max(rate_bp - discount_bp, 0)
