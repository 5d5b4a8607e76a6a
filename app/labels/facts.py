"""A year of an enterprise as labels see it: emissions, figures, and the earlier year that it is compared with."""

import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from accounts.labels.repository import Enterprise, facts_of, known_figures
from accounts.labels.rules import Scale
from accounts.labels.scoring import Facts

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, slots=True)
class Emission:
    """What an enterprise emitted; `factors` is false where some of its energy has no emission factor."""

    mg: int
    measured: int
    estimated: int
    missing: int
    processes: bool = False
    factors: bool = True


Emitted: TypeAlias = Callable[
    ["asyncpg.Connection", Sequence[UUID], datetime.date, datetime.date], Awaitable[Mapping[UUID, Emission]]
]
"""Emissions of enterprises from a day to before another, of all at once."""


@dataclass(frozen=True)
class Case:
    """An enterprise with its scale, and its facts; None where no scale covers it."""

    enterprise: Enterprise
    scale: Scale | None
    facts: Facts
    past: Facts | None


def cell_of(scale: Scale) -> str:
    """Whom an enterprise is compared with: `industry:C31`, or a whole domain."""
    return f"{scale.domain}:{scale.industry}" if scale.industry else str(scale.domain)


async def gather(
    driver: "asyncpg.Connection",
    found: Sequence[tuple[Enterprise, Scale | None]],
    year: int,
    emitted: Emitted,
) -> list[Case]:
    """Facts of enterprises; figures and emissions of all are read at once, year by year."""
    years = sorted({year, *(year - _back(scale) for _, scale in found)})
    figures = await known_figures(driver, [each.holder_id for each, _ in found], years)
    emissions = {}
    for wanted in years:
        asked = [
            each.holder_id
            for each, scale in found
            if scale is not None and wanted in (year, year - _back(scale))
        ]
        first, after = datetime.date(wanted, 1, 1), datetime.date(wanted + 1, 1, 1)
        emissions[wanted] = await emitted(driver, asked, first, after) if asked else {}

    def of(enterprise: Enterprise, scale: Scale, year: int) -> Facts:
        emission = emissions[year][enterprise.holder_id]
        known = figures.get((enterprise.holder_id, year), ())
        return _checked(facts_of(scale, year, emission.mg, known), emission, scale)

    cases = []
    for each, scale in found:
        if scale is None:
            cases.append(Case(each, None, Facts(year, None, {}), None))
            continue
        back = _back(scale)
        past = of(each, scale, year - back) if back else None
        cases.append(Case(each, scale, of(each, scale, year), past))
    return cases


def _checked(facts: Facts, found: Emission, scale: Scale) -> Facts:
    """Facts without emissions where too little is known of them."""
    known = found.measured + found.estimated
    lacking = ""
    if not known and not found.processes:
        lacking = "emissions_missing"
    elif not found.factors:
        lacking = "factor_missing"
    elif found.missing * 1000 > scale.most_missing_permille * (known + found.missing):
        lacking = "emissions_incomplete"
    quarter_hours = {
        "measured": found.measured,
        "estimated": found.estimated,
        "missing": found.missing,
    }
    if not lacking:
        return replace(facts, quarter_hours=quarter_hours)
    return replace(facts, emissions_mg=None, lacking=lacking, quarter_hours=quarter_hours)


def _back(scale: Scale | None) -> int:
    history = None if scale is None else scale.against_history
    return 0 if history is None else history.years_back


def kept(case: Case) -> dict[str, Any]:
    """Facts as they are stored with a label."""
    return {"facts": asdict(case.facts), "past": None if case.past is None else asdict(case.past)}


def read_back(stored: Mapping[str, Any]) -> tuple[Facts, Facts | None]:
    """The facts, and the earlier year's."""
    past = stored["past"]
    return Facts(**stored["facts"]), None if past is None else Facts(**past)
