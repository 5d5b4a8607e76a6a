"""Why an act is worth what it is: the formula, every value with its source, every step.

The values come from the exact evaluation of the tree, apart from the compiled code, so that an
explanation is also a check of the number it explains.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Literal

from methodologies.expression import Call, Name, Negation, Node, Number, Operation, evaluate, render
from methodologies.model import Document, Input, Methodology, Model, Title
from methodologies.units import Dimension, Unit, infer, spell

_MG_PER_G = 1000


class Value(Model):
    """A number that entered, exact, in `unit`."""

    name: str
    value: str
    unit: str


class SourcedValue(Value):
    """A parameter: where its value was read and how sure it is."""

    source: str
    url: str | None
    confidence: str


class Step(Model):
    """One operation: with names, with numbers, and its exact value in base units."""

    symbolic: str
    numeric: str
    value: str
    unit: str


class Explanation(Model):
    """Everything that led from an act to its reduction.

    `exact_g` is the value before rounding in g CO2e (a decimal, or `p/q` where no decimal is exact),
    `exact_mg` the same in mg, `co2e_mg` the reduction as credited before caps.
    """

    region: str
    scene: str
    code: str
    version: str
    content_hash: str
    title: Title
    authority: str | None
    document: Document
    confidence: str
    provisional: bool
    issuable: bool
    points_only: bool
    demonstration_only: bool
    formula: str
    formula_with_numbers: str
    inputs: tuple[Value, ...]
    parameters: tuple[SourcedValue, ...]
    steps: tuple[Step, ...]
    exact_g: str
    exact_mg: str
    rounding: Literal["floor", "half_up"]
    rounding_text: Title
    co2e_mg: int


def exact_text(value: Fraction) -> str:
    """Write a fraction as a decimal where one is exact, else as `p/q`."""
    twos = fives = 0
    rest = value.denominator
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"-{text}" if value < 0 else text


_ROUNDING = {
    "floor": Title(zh="向下取整到毫克，仅一次", en="rounded down to whole mg, once"),
    "half_up": Title(zh="四舍五入到毫克，仅一次", en="rounded half up to whole mg, once"),
}


def explain(
    text: Methodology,
    tree: Node,
    units: Mapping[str, Unit],
    act: Mapping[str, int],
    result: tuple[str, int],
) -> Explanation:
    """Explain `result` (content hash, mg CO2e) of an act that the methodology has accepted."""
    values, words = _entered(text, units, act)
    dimensions = {name: unit.dimension for name, unit in units.items()}
    exact = evaluate(tree, values)
    if "÷" in render(tree):
        words = _bracketed(words)
    steps = tuple(_steps(tree, values, words, dimensions))
    return Explanation(
        **{name: getattr(text, name) for name in _COPIED},
        content_hash=result[0],
        formula=render(tree),
        formula_with_numbers=render(tree, words),
        inputs=tuple(_input_value(item, act) for item in text.inputs if act.get(item.name) is not None),
        parameters=tuple(
            SourcedValue(
                name=item.name,
                value=item.value,
                unit=item.unit,
                source=item.source,
                url=item.url,
                confidence=item.confidence,
            )
            for item in text.parameters
        ),
        steps=steps,
        exact_g=exact_text(exact),
        exact_mg=exact_text(exact * _MG_PER_G),
        rounding=text.rounding.mode,
        rounding_text=_ROUNDING[text.rounding.mode],
        co2e_mg=result[1],
    )


_COPIED = (
    "region",
    "scene",
    "code",
    "version",
    "title",
    "authority",
    "document",
    "confidence",
    "provisional",
    "issuable",
    "points_only",
    "demonstration_only",
)


def _input_value(item: Input, act: Mapping[str, int]) -> Value:
    return Value(name=item.name, value=str(act[item.name]), unit=item.unit)


def _entered(
    text: Methodology, units: Mapping[str, Unit], act: Mapping[str, int]
) -> tuple[dict[str, Fraction], dict[str, str]]:
    """Return every name's value in base units, and how it is written with its own unit."""
    values = {
        item.name: int(act[item.name]) * units[item.name].scale for item in text.inputs if item.required
    }
    words = {item.name: f"{act[item.name]} {item.unit}" for item in text.inputs if item.required}
    for parameter in text.parameters:
        values[parameter.name] = Fraction(parameter.value) * units[parameter.name].scale
        words[parameter.name] = f"{parameter.value} {parameter.unit}"
    return values, words


def _bracketed(words: Mapping[str, str]) -> dict[str, str]:
    """Put brackets round numbers whose unit has a slash, so that a division reads one way only."""
    return {name: f"({word})" if "/" in word else word for name, word in words.items()}


def _steps(
    node: Node, values: Mapping[str, Fraction], words: Mapping[str, str], dimensions: Mapping[str, Dimension]
) -> Iterator[Step]:
    """Yield one step for each operation, innermost first."""
    parts: Sequence[Node]
    match node:
        case Negation():
            parts = (node.operand,)
        case Operation():
            parts = (node.left, node.right)
        case Call():
            parts = node.arguments
        case Name() | Number():
            return
    for part in parts:
        yield from _steps(part, values, words, dimensions)
    yield Step(
        symbolic=render(node),
        numeric=_with_numbers(node, parts, values, words, dimensions),
        value=exact_text(evaluate(node, values)),
        unit=spell(infer(node, dimensions) or ()),
    )


def _with_numbers(
    node: Node,
    parts: Sequence[Node],
    values: Mapping[str, Fraction],
    words: Mapping[str, str],
    dimensions: Mapping[str, Dimension],
) -> str:
    """Write one operation over the values of its parts: leaves as given, results in base units."""
    shown = []
    for part in parts:
        if isinstance(part, Name | Number):
            shown.append(render(part, words))
        else:
            value, unit = exact_text(evaluate(part, values)), spell(infer(part, dimensions) or ())
            shown.append(f"({value} {unit})" if unit != "1" else f"({value})")
    match node:
        case Operation():
            sign = {"+": "+", "-": "−", "*": "×", "/": "÷"}[node.operator]
            return f"{shown[0]} {sign} {shown[1]}"
        case Call():
            return f"{node.function}({', '.join(shown)})"
        case _:
            return f"−{shown[0]}"
