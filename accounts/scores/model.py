"""What a score is computed from, and what it says."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

GRADES = ("self_report", "platform", "corroborated")
"""Grades of evidence, the weakest first; their places are how they are stored."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Credited acts of one month, scene and evidence grade (a place in `GRADES`), reversed ones absent."""

    month: dt.date
    scene: str
    grade: int
    acts: int
    co2e_mg: int


@dataclass(frozen=True, slots=True)
class Conduct:
    """A conduct on record that was not withdrawn."""

    id: UUID
    kind: str
    happened_on: dt.date


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a card may ever see of a holder. There is no field for who it is or where it lives."""

    deeds: tuple[Deed, ...] = ()
    conduct: tuple[Conduct, ...] = ()
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """What a card made of facts, before points: each dimension's total in hundredths of its unit, a label's points.

    A snapshot keeps it, and the score is explained from it.
    """

    totals: tuple[int, ...]
    acts: int
    months: int
    conduct: tuple[Conduct, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """Points of one reason; those of all reasons add up to the score. `on` is the day of a conduct."""

    code: str
    dimension: str
    points: int
    zh: str
    en: str
    on: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Raise:
    """Something that would raise the score, and by how many points at least."""

    dimension: str
    points: int
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Basis:
    """The data behind a score: its first and last day, how many acts of how many months, and counted up to when."""

    first_day: dt.date
    last_day: dt.date
    acts: int
    months: int
    counted_until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """A score as of a day, by one version of a card. Where there is not `enough` data it has no points and no tier."""

    card: str
    version: str
    content_hash: str
    as_of: dt.date
    points: int | None
    tier: str | None
    enough: bool
    reasons: tuple[Reason, ...]
    raises: tuple[Raise, ...]
    basis: Basis
    holder_id: UUID | None = None
