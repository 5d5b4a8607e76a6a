"""Which bought power is covered by cancelled green certificates. Pure and exact.

A certificate covers power that the enterprise bought within the certificate's months, each Wh once. Months are filled
from the first, each by the certificate that ends first, so that as much as possible is used.
"""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from accounts.emissions.activity import Cell
from accounts.enterprises.carriers import Carrier


@dataclass(frozen=True)
class Certificate:
    """A green power certificate that was cancelled for the enterprise; its months are inclusive, of one year."""

    number: str
    energy_wh: int
    first_month: datetime.date
    last_month: datetime.date


@dataclass(frozen=True)
class Cover:
    """The covered share of what a site bought in a month, what each certificate gave, and the years it was given in."""

    shares: Mapping[tuple[UUID, datetime.date], Fraction]
    used: Mapping[str, int]
    years: frozenset[int]

    def share(self, site_id: UUID, month: datetime.date) -> Fraction:
        """From 0 to 1; that of the whole month holds for each part of it."""
        return self.shares.get((site_id, month), Fraction(0))


NOTHING = Cover({}, {}, frozenset())


def cover(cells: Iterable[Cell], certificates: Sequence[Certificate]) -> Cover:
    """Cover the bought power of whole years. `cells` have to be all of those years, whatever part is asked for."""
    if not certificates:
        return NOTHING
    left = {each.number: each.energy_wh for each in certificates}
    covered: dict[tuple[UUID, datetime.date], Fraction] = {}
    years: set[int] = set()
    first_to_end = sorted(certificates, key=lambda each: (each.last_month, each.first_month, each.number))
    for cell in sorted(cells, key=lambda cell: (cell.month, cell.site_id)):
        if cell.carrier is not Carrier.ELECTRICITY:
            continue
        open_wh = cell.bought
        for each in first_to_end:
            if open_wh and each.first_month <= cell.month <= each.last_month and left[each.number]:
                taken = min(open_wh, left[each.number])
                left[each.number] -= taken
                open_wh -= taken
                years.add(cell.month.year)
        if open_wh < cell.bought:
            covered[cell.site_id, cell.month] = Fraction(cell.bought - open_wh, cell.bought)
    used = {each.number: each.energy_wh - left[each.number] for each in certificates}
    return Cover(covered, used, frozenset(years))
