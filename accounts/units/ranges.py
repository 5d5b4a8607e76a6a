"""Ranges of unit numbers: half-open, 1 kg each. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class UnitRange:
    """The numbers `first` to `end - 1`; never empty, never below 1."""

    first: int
    end: int

    def __post_init__(self) -> None:
        if not 0 < self.first < self.end:
            raise ValueError("a range has a first number above 0 and an end above it")

    @property
    def last(self) -> int:
        """The highest number, as serials print it."""
        return self.end - 1

    @property
    def quantity_kg(self) -> int:
        """How many units these are."""
        return self.end - self.first


def total_kg(ranges: Iterable[UnitRange]) -> int:
    """Units of disjoint ranges."""
    return sum(each.quantity_kg for each in ranges)
