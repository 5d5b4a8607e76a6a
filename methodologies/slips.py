"""What may be behind an example that does not hold: the one slip of a unit, or two values swapped, that mends it."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import combinations

from methodologies.engine import Methodology
from methodologies.errors import Refused
from methodologies.evaluation import evaluate
from methodologies.reading import rule_arguments
from methodologies.rules import rounded

_MG_PER_G = 1000

# How far off, and what is then often confused.
_FACTORS = (
    (1_000, "kg 与 g、km 与 m 或 kWh 与 Wh", "kg for g, km for m or kWh for Wh"),
    (100, "每 100 km 与每 km", "per 100 km for per km"),
    (100_000, "每 100 km 与每 m", "per 100 km for per m"),
    (1_000_000, "t 与 g", "t for g"),
)


def values_of(methodology: Methodology, position: int) -> dict[str, Fraction]:
    """Return what each name of the formula stands for in an example, in base units."""
    plan, text = methodology.plan, methodology.text
    act = text.examples[position].inputs
    values = {
        item.name: int(act[item.name]) * plan.units[item.name].scale for item in text.inputs if item.required
    }
    return values | rule_arguments(text, act, plan.units, plan.tables)[1]


def exact(methodology: Methodology, values: Mapping[str, Fraction]) -> Fraction:
    """Return what the formula gives, in g, below zero too."""
    if methodology.plan.tree is None:
        raise AssertionError("only a formula has a tree")
    return evaluate(methodology.plan.tree, values, methodology.plan.ladders)


def hint(methodology: Methodology, position: int) -> tuple[str, str]:
    """Return in Chinese and English which slip would explain an example, with its places; nothing where none does."""
    text = methodology.text
    if methodology.plan.tree is None:
        return "", ""
    try:
        values = values_of(methodology, position)
    except (KeyError, ValueError):
        return "", ""
    places = _places(methodology, position)
    for times, zh, en in _FACTORS:
        found = [
            place
            for name, place in places.items()
            if any(
                _holds(methodology, position, {**values, name: values[name] * factor})
                for factor in (Fraction(times), Fraction(1, times))
            )
        ]
        if found:
            shown = ", ".join(found)
            return (
                f"；相差 {times} 倍，可能混淆：{zh}；请核对 {shown}",
                f"; it is {times} times off: {en}? look at {shown}",
            )
    for (number, one), (other_number, other) in combinations(enumerate(text.parameters), 2):
        swapped = {**values, one.name: values[other.name], other.name: values[one.name]}
        if _alike(methodology, one.name, other.name) and _holds(methodology, position, swapped):
            shown = f"/parameters/{number}/value, /parameters/{other_number}/value"
            return (
                f"；{one.name} 与 {other.name} 可能写反，请核对 {shown}",
                f"; {one.name} and {other.name} may be swapped: look at {shown}",
            )
    return "", ""


def _places(methodology: Methodology, position: int) -> dict[str, str]:
    text = methodology.text
    return dict(_units(methodology)) | {
        item.name: f"/examples/{position}/inputs/{item.name}" for item in text.inputs if item.required
    }


def _units(methodology: Methodology) -> Iterator[tuple[str, str]]:
    """Yield each value with a dimension, and where its unit stands."""
    text = methodology.text
    named = [("parameters", each.name, number) for number, each in enumerate(text.parameters)]
    named += [("tables", each.name, number) for number, each in enumerate(text.tables)]
    for kind, name, number in named:
        if methodology.plan.units[name].dimension:
            yield name, f"/{kind}/{number}/unit"


def _alike(methodology: Methodology, one: str, other: str) -> bool:
    units = methodology.plan.units
    return units[one].dimension == units[other].dimension


def _holds(methodology: Methodology, position: int, values: Mapping[str, Fraction]) -> bool:
    wanted = Fraction(methodology.text.examples[position].co2e_g) * _MG_PER_G
    try:
        return rounded(exact(methodology, values) * _MG_PER_G, methodology.text.rounding.mode) == wanted
    except (Refused, ZeroDivisionError, LookupError):
        return False
