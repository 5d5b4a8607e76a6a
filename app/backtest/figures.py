"""What a backtest finds: the same sums from every engine, in whole mg CO2e and whole points."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction

TOP = 10
DECILES = 10


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over some activities, before and after."""

    activities: int = 0
    before_mg: int = 0
    after_mg: int = 0
    before_points: int = 0
    after_points: int = 0
    before_capped: int = 0
    """Acts that a cap cut or left nothing of."""
    after_capped: int = 0
    newly_capped: int = 0
    """Acts that a cap touches after and did not before."""

    def __add__(self, other: "Sums") -> "Sums":
        """The sums over both."""
        return Sums(*(getattr(self, name) + getattr(other, name) for name in SUMS))

    @property
    def change_mg(self) -> int:
        """After less before."""
        return self.after_mg - self.before_mg

    @property
    def mean_change_mg(self) -> int:
        """Mean change of an act, mg, rounded half away from zero."""
        return half_away(Fraction(self.change_mg, self.activities)) if self.activities else 0


SUMS = tuple(each.name for each in fields(Sums))


def half_away(value: Fraction) -> int:
    """Round to a whole number, ties away from zero."""
    whole = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return whole if value >= 0 else -whole


@dataclass(frozen=True, slots=True)
class Group:
    """Sums of one group: a district, a month, a decile."""

    key: str
    sums: Sums
    holders: int


@dataclass(frozen=True, slots=True)
class HolderSums:
    """Sums of one holder, by the number that the export gave it."""

    holder: int
    sums: Sums


@dataclass(frozen=True, slots=True)
class CapReached:
    """Acts that one cap held back: of the caps used up the one of the longest period, else the one that left least."""

    key: str
    before: int
    after: int
    newly: int
    """Held back by this cap after, and by none before."""
    holders: int
    """Who have such newly held back acts."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """Acts that a text refuses for one reason."""

    reason: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What an engine answers."""

    total: Sums
    holders: int
    holders_newly_capped: int
    stored_mg: int
    """What the acts of the period hold in the ledger now: with caps in order of booking."""
    stored_points: int
    regions: tuple[Group, ...]
    months: tuple[Group, ...]
    deciles: tuple[Group, ...]
    """By credit before; 1 holds those with the least."""
    gain: tuple[HolderSums, ...]
    lose: tuple[HolderSums, ...]
    caps: tuple[CapReached, ...]
    refused: tuple[Refusals, ...]


def deciles_of(holders: Sequence[HolderSums]) -> tuple[Group, ...]:
    """Deciles as SQL's ntile makes them: by credit before, then number; the first are one larger."""
    ordered = sorted(holders, key=lambda each: (each.sums.before_mg, each.holder))
    size, larger = divmod(len(ordered), DECILES)
    groups: list[Group] = []
    start = 0
    for place in range(DECILES):
        members = ordered[start : start + size + (place < larger)]
        start += len(members)
        if members:
            groups.append(Group(str(place + 1), total(each.sums for each in members), len(members)))
    return tuple(groups)


def total(sums: Iterable[Sums]) -> Sums:
    """The sum of sums."""
    return Sums(*(sum(column) for column in zip(*map(_row, sums), strict=True)))


def _row(sums: Sums) -> tuple[int, ...]:
    return tuple(getattr(sums, name) for name in SUMS)
