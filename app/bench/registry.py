"""The rows of the benchmark. A row is one function, decorated with what it measures."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.bench.lab import Lab


class BenchError(Exception):
    """The benchmark cannot go on; the text says why."""


class RowSkipped(BenchError):
    """A row lacks what it measures with; the other rows go on, and its figures stay as they were."""


@dataclass(frozen=True)
class Also:
    """A figure that a row measures by the way, without floor and aim."""

    name: str
    unit: str
    value: float
    note: str = ""


@dataclass(frozen=True)
class Measured:
    """What a row found; the note tells what limits it."""

    value: float
    note: str
    also: Sequence[Also] = ()


Work = Callable[["Lab"], Awaitable[Measured]]


@dataclass(frozen=True)
class Row:
    """One row of the table. Where the floor lies above the aim, less is better."""

    name: str
    unit: str
    floor: float
    aim: float
    also: tuple[str, ...]
    served: bool
    work: Work

    @property
    def answers_to(self) -> tuple[str, ...]:
        """The names that ask for this row: its own and those of what it measures by the way."""
        return (self.name, *self.also)


ROWS: dict[str, Row] = {}


def row(
    name: str, *, unit: str, floor: float, aim: float, also: tuple[str, ...] = (), served: bool = True
) -> Callable[[Work], Work]:
    """Register a row. `served` rows need the running service and its holders; `arrange` tells their order."""

    def register(work: Work) -> Work:
        if name in ROWS:
            raise ValueError(f"two rows are called {name}")
        ROWS[name] = Row(name, unit, floor, aim, also, served, work)
        return work

    return register


def arrange(modules: Sequence[ModuleType]) -> None:
    """Put the rows in the order of their modules: formatters sort imports, and rows leave data behind."""
    place = {module.__name__: number for number, module in enumerate(modules)}
    ordered = sorted(ROWS.values(), key=lambda each: place[each.work.__module__])
    ROWS.clear()
    ROWS.update((each.name, each) for each in ordered)


def chosen(names: str) -> list[Row]:
    """The rows of a list of names with commas, in the order of the table; all for an empty one."""
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    known = {name for each in ROWS.values() for name in each.answers_to}
    if unknown := sorted(wanted - known):
        raise BenchError(f"no row is called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [each for each in ROWS.values() if not wanted or wanted.intersection(each.answers_to)]
