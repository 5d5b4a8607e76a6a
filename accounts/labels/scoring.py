"""From a year's facts to a colour: indicators, three views, points, thresholds. Pure and exact."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Final

from accounts.labels.measures import (
    MEASURE_OF,
    UNITS,
    Indicator,
    Measure,
    Unit,
    figure_key,
    intensity,
)
from accounts.labels.rules import (
    WHOLE,
    AgainstPeers,
    HistoryView,
    IndustryView,
    RegionView,
    Scale,
    Thresholds,
)


class Colour(enum.StrEnum):
    """碳标签."""

    RED = "red"
    YELLOW = "yellow"
    LIGHT_GREEN = "light_green"
    DARK_GREEN = "dark_green"
    UNLABELLED = "unlabelled"


ORDER: Final = (Colour.UNLABELLED, Colour.RED, Colour.YELLOW, Colour.LIGHT_GREEN, Colour.DARK_GREEN)
"""From worst to best: who loses a colour for want of figures has fallen, too."""


class ViewName(enum.StrEnum):
    """三维: the three things that an enterprise is compared with."""

    INDUSTRY = "industry"
    REGION = "region"
    HISTORY = "history"


@dataclass(frozen=True)
class Facts:
    """A year of an enterprise: emissions in mg, and figures by `figure_key`, in base units.

    Where emissions are None, `lacking` is why. `quarter_hours` tells how many are measured, estimated and missing.
    """

    year: int
    emissions_mg: int | None
    figures: Mapping[str, int]
    lacking: str = "emissions_missing"
    quarter_hours: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Missing:
    """Why there is no label: a code, and what it is about."""

    code: str
    year: int | None = None
    measure: Measure | None = None
    products: tuple[str, ...] = ()
    indicator: Indicator | None = None


@dataclass(frozen=True)
class Line:
    """An indicator in a view. `gained` of `of` points of the whole label; lines add up to the label's points."""

    view: ViewName
    indicator: Indicator
    value: Fraction
    reference: Fraction
    points: Fraction
    gained: Fraction
    of: Fraction


@dataclass(frozen=True)
class ViewResult:
    """A view's own points and colour; `weight` is its share in the label, in percent."""

    view: ViewName
    weight: Fraction
    points: Fraction
    colour: Colour


@dataclass(frozen=True)
class Assessment:
    """A colour with all that led to it."""

    colour: Colour
    points: Fraction | None = None
    views: tuple[ViewResult, ...] = ()
    lines: tuple[Line, ...] = ()
    missing: tuple[Missing, ...] = ()
    indicators: Mapping[Indicator, Fraction] = field(default_factory=dict)


def colour_of(points: Fraction, thresholds: Thresholds) -> Colour:
    """The best colour whose threshold is reached; a threshold itself belongs to its colour."""
    if points >= thresholds.dark_green:
        return Colour.DARK_GREEN
    if points >= thresholds.light_green:
        return Colour.LIGHT_GREEN
    return Colour.YELLOW if points >= thresholds.yellow else Colour.RED


def threshold_of(colour: Colour, thresholds: Thresholds) -> int:
    """Least points of a colour."""
    return {
        Colour.DARK_GREEN: thresholds.dark_green,
        Colour.LIGHT_GREEN: thresholds.light_green,
        Colour.YELLOW: thresholds.yellow,
    }.get(colour, 0)


def amount_of(scale: Scale, measure: Measure, facts: Facts) -> tuple[Fraction, Unit] | None:
    """A figure in base units; of output, what was made of all products that count, as standard product."""
    if measure is not Measure.OUTPUT:
        found = facts.figures.get(figure_key(measure))
        return None if found is None else (Fraction(found), next(iter(UNITS[measure])))
    made = [
        facts.figures[key] * Fraction(each.equivalent)
        for each in scale.products
        if (key := figure_key(measure, each.code)) in facts.figures
    ]
    return (sum(made, Fraction(0)), scale.products[0].unit) if made else None


def value_of(scale: Scale, indicator: Indicator, facts: Facts) -> Fraction | Missing:
    """An indicator of a year, or what it lacks."""
    measure = MEASURE_OF[indicator]
    if facts.emissions_mg is None:
        return Missing(facts.lacking, facts.year)
    found = amount_of(scale, measure, facts)
    products = tuple(each.code for each in scale.products) if measure is Measure.OUTPUT else ()
    if found is None:
        return Missing("figure_missing", facts.year, measure, products)
    if found[0] <= 0:
        return Missing("figure_not_positive", facts.year, measure, products)
    return intensity(facts.emissions_mg, *found)


def points_at(
    view: IndustryView | RegionView | HistoryView, value: Fraction, reference: Fraction
) -> Fraction:
    """Points of an intensity against another: on straight lines between the text's points, level outside."""
    steps = [(Fraction(each.ratio), Fraction(each.points)) for each in view.points]
    if reference <= 0:
        # Nothing was emitted there: as much is the ratio 1, anything else is more than any ratio.
        if value > 0:
            return steps[-1][1]
        ratio = Fraction(1)
    else:
        ratio = value / reference
    if ratio <= steps[0][0]:
        return steps[0][1]
    for (low, above), (high, below) in pairwise(steps):
        if ratio <= high:
            return above + (ratio - low) / (high - low) * (below - above)
    return steps[-1][1]


def assess(
    scale: Scale, facts: Facts, past: Facts | None, peers: Mapping[Indicator, Mapping[int, Fraction]]
) -> Assessment:
    """The label of a year by a scale.

    `past` is the enterprise's own earlier year, `peers` the percentiles that are told of its industry.
    """
    values: dict[Indicator, Fraction] = {}
    missing: list[Missing] = []
    for indicator in scale.indicators:
        found = value_of(scale, indicator, facts)
        if isinstance(found, Missing):
            missing.append(found)
        else:
            values[indicator] = found
    views = _views(scale, past, peers, missing)
    if missing:
        return Assessment(Colour.UNLABELLED, missing=tuple(dict.fromkeys(missing)), indicators=values)
    whole = sum(view.weight for _, view, _ in views)
    results, lines = [], []
    for name, view, references in views:
        share = Fraction(WHOLE * view.weight, whole)
        own = []
        for each in view.indicators:
            value, reference = values[each.indicator], references[each.indicator]
            points = points_at(view, value, reference)
            of = share * each.weight / WHOLE
            own.append(Line(name, each.indicator, value, reference, points, of * points / WHOLE, of))
        points = sum((line.gained for line in own), Fraction(0)) * WHOLE / share
        results.append(ViewResult(name, share, points, colour_of(points, scale.thresholds)))
        lines += own
    total = sum((line.gained for line in lines), Fraction(0))
    lines.sort(key=lambda line: line.gained - line.of)
    return Assessment(
        colour_of(total, scale.thresholds), total, tuple(results), tuple(lines), indicators=values
    )


_Counted = tuple[ViewName, IndustryView | RegionView | HistoryView, Mapping[Indicator, Fraction]]


def _views(
    scale: Scale,
    past: Facts | None,
    peers: Mapping[Indicator, Mapping[int, Fraction]],
    missing: list[Missing],
) -> list[_Counted]:
    """The views that count, each with what its indicators are compared with."""
    views: list[_Counted] = []
    against: dict[Indicator, Fraction] = {}
    for each in scale.against_industry.indicators:
        found = _industry(each, peers)
        if found is None:
            missing.append(Missing("benchmark_withheld", indicator=each.indicator))
        else:
            against[each.indicator] = found
    views.append((ViewName.INDUSTRY, scale.against_industry, against))
    if (region := scale.against_region) is not None:
        known = {each.indicator: Fraction(each.benchmark) for each in region.indicators}
        views.append((ViewName.REGION, region, known))
    if (history := scale.against_history) is not None:
        own, lacks = _history(scale, history, past)
        if not lacks:
            views.append((ViewName.HISTORY, history, own))
        elif history.without == "unlabelled":
            missing += lacks
    return views


def _industry(each: AgainstPeers, peers: Mapping[Indicator, Mapping[int, Fraction]]) -> Fraction | None:
    if each.benchmark is not None:
        return Fraction(each.benchmark)
    return peers.get(each.indicator, {}).get(each.percentile or 0)


def _history(
    scale: Scale, history: HistoryView, past: Facts | None
) -> tuple[dict[Indicator, Fraction], list[Missing]]:
    own: dict[Indicator, Fraction] = {}
    lacks: list[Missing] = []
    if past is None:
        return own, [Missing("history_missing")]
    for each in history.indicators:
        found = value_of(scale, each.indicator, past)
        if isinstance(found, Missing):
            lacks.append(found)
        else:
            own[each.indicator] = found
    return own, lacks
