"""Units, checked when a pack loads: exact scales and dimensions, by pint over fractions.

pint is imported on the first unit, so that who only quantifies a stored act never pays for it. The
registry is a small one of its own: it knows what formulas of this field need and nothing else, and
CO2e is a dimension apart from mass, so that a kilogram of clothes is no kilogram of CO2e. The base
units are m, s, g, Wh, fen, act and gCO2e.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from methodologies.errors import FormulaError
from methodologies.expression import (
    Call,
    Choice,
    Comparison,
    Inversion,
    Junction,
    Lookup,
    Name,
    Negation,
    Node,
    Number,
    Operation,
    Steps,
    Test,
    render,
)

if TYPE_CHECKING:
    import pint

Dimension: TypeAlias = tuple[tuple[str, int], ...]

_DEFINITIONS = (
    "kilo- = 1000 = k-",
    "mega- = 1000000 = M-",
    "giga- = 1000000000 = G-",
    "milli- = 1/1000 = m-",
    "meter = [length] = m",
    # a passenger-kilometre and a vehicle-kilometre are kilometres: whose they are, the source text says
    "pkm = 1000 * meter",
    "vkm = 1000 * meter",
    "second = [time] = s",
    "minute = 60 * second = min",
    "hour = 3600 * second = h",
    "gram = [mass] = g",
    "tonne = 1000000 * gram = t",
    # of the United States: 2,000 pounds of 453.59237 g
    "short_ton = 90718474/100 * gram",
    "watt_hour = [energy] = Wh",
    "joule = 1/3600 * watt_hour = J",
    "liter = 1/1000 * meter * meter * meter = l = L",
    "fen = [money]",
    "yuan = 100 * fen",
    "act = [count]",
    "trip = act",
    "bag = act",
    "bill = act",
    "card = act",
    "statement = act",
    "piece = act",
    "gCO2e = [co2e]",
    # carbon dioxide itself has a global warming potential of 1
    "gCO2 = gCO2e",
    "tCO2e = 1000000 * gCO2e",
    "tCO2 = 1000000 * gCO2e",
)
_BASE_UNITS = {
    "[length]": "m",
    "[time]": "s",
    "[mass]": "g",
    "[energy]": "Wh",
    "[money]": "fen",
    "[count]": "act",
    "[co2e]": "gCO2e",
}
COUNT: Dimension = (("[count]", 1),)
CO2E: Dimension = (("[co2e]", 1),)
NONE: Dimension = ()

# What pint is given is bounded first: names, * and /, brackets, and a count such as the 100 of 100 km.
_UNIT_TEXT = re.compile(r"(?!.*\*\*)(?!.*[0-9]{6})(?!.*\b[0-9]+[A-Za-z])[A-Za-z0-9_ */()]{1,40}", re.ASCII)
# 100 km below a stroke without brackets would divide by 100 and multiply by the kilometre.
_BARE_COUNT = re.compile(r"([^()/]*)/ *([0-9]+) *([A-Za-z]+)", re.ASCII)


class Unit(NamedTuple):
    """`scale` base units of `dimension`: km is 1000 of length."""

    scale: Fraction
    dimension: Dimension


class UnitMismatchError(FormulaError):
    """Two units do not go together; `found` and `wanted` are written in base units."""

    def __init__(self, where: str, found: Dimension, wanted: Dimension) -> None:
        self.found = spell(found)
        self.wanted = spell(wanted)
        super().__init__(
            f"{where}：单位为 {self.found}，应为 {self.wanted}",
            f"{where}: the unit is {self.found}, wanted {self.wanted}",
        )


@lru_cache(maxsize=1)
def _registry() -> "pint.UnitRegistry[Fraction]":
    import pint  # noqa: PLC0415 - only who loads a pack pays for it

    registry: pint.UnitRegistry[Fraction] = pint.UnitRegistry(None, non_int_type=Fraction)
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry


@lru_cache(maxsize=512)
def read_unit(text: str) -> Unit:
    """Return the exact scale and the dimension of a unit such as `kgCO2e/kWh` or `kWh/(100 km)`.

    Raises `FormulaError` for text that is no unit the registry knows.
    """
    if bare := _BARE_COUNT.fullmatch(text):
        above, count, below = (part.strip() for part in bare.groups())
        wanted = f"{above}/({count} {below})"
        raise FormulaError(
            f"“{text[:40]}”有歧义，请写作 {wanted}", f"{text[:40]!r} is ambiguous: write {wanted}"
        )
    if not _UNIT_TEXT.fullmatch(text):
        raise FormulaError(f"“{text[:40]}”不是单位", f"{text[:40]!r} is not a unit")
    try:
        quantity = _registry().Quantity(Fraction(1)) * _registry().parse_expression(text)
        root = quantity.to_root_units()
    except Exception as error:  # pint raises a dozen kinds, all of which mean the same here
        raise FormulaError(f"不认识的单位“{text}”", f"unknown unit {text!r}") from error
    scale = root.magnitude
    powers = sorted((str(name), Fraction(power)) for name, power in root.dimensionality.items())
    if not isinstance(scale, Fraction | int) or any(power.denominator != 1 for _, power in powers):
        raise FormulaError(f"单位“{text}”不精确", f"unit {text!r} is not exact")
    return Unit(Fraction(scale), tuple((name, int(power)) for name, power in powers))


def spell(dimension: Dimension) -> str:
    """Write a dimension in base units: `gCO2e/m`; `1` for none."""
    above = [_power(name, power) for name, power in dimension if power > 0]
    below = [_power(name, -power) for name, power in dimension if power < 0]
    text = "*".join(above) or "1"
    return "/".join([text, *below])


def _power(name: str, power: int) -> str:
    return "*".join([_BASE_UNITS[name]] * power) if power > 1 else _BASE_UNITS[name]


def combine(left: Dimension, right: Dimension, sign: int) -> Dimension:
    """Return the dimension of a product (`sign` 1) or a quotient (`sign` -1)."""
    powers = dict(left)
    for name, power in right:
        powers[name] = powers.get(name, 0) + sign * power
    return tuple(sorted((name, power) for name, power in powers.items() if power))


class Dimensions(NamedTuple):
    """What each name, table and ladder gives (`of`), and what each ladder takes (`into`)."""

    of: Mapping[str, Dimension]
    into: Mapping[str, Dimension]


def infer(node: Node, known: Dimensions) -> Dimension | None:  # noqa: C901 - one case for each node
    """Return the dimension of an expression; `None` for a literal zero, which fits any.

    Raises `UnitMismatchError` where unlike things are added or compared.
    """
    found: Dimension | None
    match node:
        case Number():
            found = NONE if node.value else None
        case Name():
            found = known.of[node.id]
        case Lookup():
            found = known.of[node.table]
        case Negation():
            found = infer(node.operand, known)
        case Operation(operator="*" | "/"):
            left, right = infer(node.left, known), infer(node.right, known)
            sign = 1 if node.operator == "*" else -1
            found = None if left is None or right is None else combine(left, right, sign)
        case Operation():
            found = _same(node, (node.left, node.right), known)
        case Call():
            found = _same(node, node.arguments, known)
        case Steps():
            taken, wanted = infer(node.value, known), known.into[node.ladder]
            if taken is not None and taken != wanted:
                raise UnitMismatchError(f"`{render(node.value)}` ({render(node)})", taken, wanted)
            found = known.of[node.ladder]
        case Choice():
            check_test(node.test, known)
            found = _same(node, (node.then, node.otherwise), known)
    return found


def check_test(test: Test, known: Dimensions) -> None:
    """Raise `UnitMismatchError` where a test compares unlike things."""
    match test:
        case Comparison():
            _same(test, (test.left, test.right), known)
        case Junction():
            for each in test.parts:
                check_test(each, known)
        case Inversion():
            check_test(test.operand, known)


def _same(whole: Node | Test, parts: tuple[Node, ...], known: Dimensions) -> Dimension | None:
    """Return the one dimension that all parts share."""
    wanted: Dimension | None = None
    for part in parts:
        found = infer(part, known)
        if wanted is None:
            wanted = found
        elif found is not None and found != wanted:
            raise UnitMismatchError(f"`{render(part)}` ({render(whole)})", found, wanted)
    return wanted
