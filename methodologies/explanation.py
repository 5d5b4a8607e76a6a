"""Why an act is worth what it is: the formula, every value with its source, every step.

The values come from the exact evaluation of the tree, apart from the compiled code, so that an
explanation is also a check of the number it explains.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from methodologies import rules
from methodologies.codegen import Act
from methodologies.evaluation import evaluate, holds
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
    parts_of,
    render,
    sign,
)
from methodologies.model import Document, Input, Methodology, Model, Range, Row, Table, Title
from methodologies.reading import Plan, rule_arguments
from methodologies.units import infer, spell

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


class TableValue(Value):
    """What was read from a table: by which key, from which row. `key` is null where the default counted."""

    key: dict[str, str] | None
    source: str
    url: str | None
    confidence: str
    data_year: int | None
    published: str | None
    notice_no: str | None
    told: Title


class Step(Model):
    """One operation: with names, with numbers, and its exact value in base units.

    The value of a comparison is `true` or `false`, without a unit. `told` says which branch or which range
    was taken, and `source` where that range was read.
    """

    symbolic: str
    numeric: str
    value: str
    unit: str
    told: Title | None = None
    source: str | None = None


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
    tables: tuple[TableValue, ...]
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


def explain(text: Methodology, plan: Plan, act: Act, result: tuple[str, int]) -> Explanation:
    """Explain `result` (content hash, mg CO2e) of an act that the methodology has accepted."""
    values, words = _entered(text, plan, act)
    if plan.tree is None:
        exact, steps, shown = _by_rule(text, plan, act)
    else:
        if "÷" in render(plan.tree):
            words = _bracketed(words)
        exact = evaluate(plan.tree, values, plan.ladders)
        teller = _Teller(text, plan, values, words)
        steps, shown = tuple(teller.steps(plan.tree)), (render(plan.tree), render(plan.tree, words))
    return Explanation(
        **{name: getattr(text, name) for name in _COPIED},
        content_hash=result[0],
        formula=shown[0],
        formula_with_numbers=shown[1],
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
        tables=tuple(_table_value(table.text, table.row(act), act) for table in plan.tables.values()),
        steps=steps,
        exact_g=exact_text(exact),
        exact_mg=exact_text(exact * _MG_PER_G),
        rounding=text.rounding.mode,
        rounding_text=_ROUNDING[text.rounding.mode],
        co2e_mg=result[1],
    )


def _by_rule(text: Methodology, plan: Plan, act: Act) -> tuple[Fraction, tuple[Step, ...], tuple[str, str]]:
    """Run a Python rule again: its exact value in g, the one step, and how it is written."""
    if plan.rule is None:
        raise AssertionError("a plan has a formula or a rule")
    inputs, values = rule_arguments(text, act, plan.units, plan.tables)
    exact = rules.exact(plan.rule, inputs, values) / _MG_PER_G
    given = [*(f"{name}={value}" for name, value in inputs.items())]
    given += [f"{name}={exact_text(value)}" for name, value in values.items()]
    name = f"rule {text.rule}"
    numeric = f"{name}({', '.join(given)})"
    return (
        exact,
        (Step(symbolic=name, numeric=numeric, value=exact_text(exact), unit="gCO2e"),),
        (name, numeric),
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


def _input_value(item: Input, act: Act) -> Value:
    return Value(name=item.name, value=str(act[item.name]), unit=item.unit)


def _table_value(table: Table, row: Row | None, act: Act) -> TableValue:
    sourced: Row | Table = row if row is not None and row.source is not None else table
    key: dict[str, str] = {name: str(act[name]) for name in table.keys}
    shown = ", ".join(key.values())
    told = (
        Title(zh=f"按 {shown} 查表", en=f"looked up by {shown}")
        if row is not None
        else Title(zh=f"表中没有 {shown}，取缺省值", en=f"{shown} is not in the table: its default")
    )
    return TableValue(
        name=table.name,
        value=str(table.default if row is None else row.value),
        unit=table.unit,
        key=None if row is None else key,
        source=sourced.source or "",
        url=sourced.url,
        confidence=(row and row.confidence) or table.confidence or "",
        data_year=row.data_year if row else None,
        published=row.published.isoformat() if row and row.published else None,
        notice_no=row.notice_no if row else None,
        told=told,
    )


def _entered(text: Methodology, plan: Plan, act: Act) -> tuple[dict[str, Fraction], dict[str, str]]:
    """Return every name's value in base units, and how it is written with its own unit."""
    units = plan.units
    values = {
        item.name: int(act[item.name]) * units[item.name].scale for item in text.inputs if item.required
    }
    words = {item.name: f"{act[item.name]} {item.unit}" for item in text.inputs if item.required}
    for parameter in text.parameters:
        values[parameter.name] = Fraction(parameter.value) * units[parameter.name].scale
        words[parameter.name] = _worded(parameter.value, parameter.unit)
    for name, table in plan.tables.items():
        row = table.row(act)
        values[name] = table.value(act)
        words[name] = _worded(str(table.text.default if row is None else row.value), table.text.unit)
    return values, words


def _worded(value: str, unit: str) -> str:
    """Write a value with its unit, a pure number without one."""
    return value if unit == "1" else f"{value} {unit}"


def _bracketed(words: Mapping[str, str]) -> dict[str, str]:
    """Put brackets round numbers whose unit has a slash, so that a division reads one way only."""
    return {name: f"({word})" if "/" in word else word for name, word in words.items()}


@dataclass(frozen=True)
class _Teller:
    """Tells one step for each operation that counted: of a choice, its test and the branch that was taken."""

    text: Methodology
    plan: Plan
    values: Mapping[str, Fraction]
    words: Mapping[str, str]

    def steps(self, node: Node | Test) -> Iterator[Step]:
        """Yield the steps of a node, innermost first."""
        if isinstance(node, Name | Number | Lookup):
            return
        taken = None
        if isinstance(node, Choice):
            taken = node.then if self._holds(node.test) else node.otherwise
        for part in parts_of(node) if not isinstance(node, Choice) else (node.test, taken):
            if part is not None:
                yield from self.steps(part)
        match node:
            case Comparison() | Junction() | Inversion():
                value, unit = str(self._holds(node)).lower(), ""
            case _:
                value, unit = self._value(node)
        told, source = self._told(node)
        yield Step(
            symbolic=render(node),
            numeric=self._numeric(node),
            value=value,
            unit=unit,
            told=told,
            source=source,
        )

    def _holds(self, test: Test) -> bool:
        return holds(test, self.values, self.plan.ladders)

    def _value(self, node: Node) -> tuple[str, str]:
        value = evaluate(node, self.values, self.plan.ladders)
        return exact_text(value), spell(infer(node, self.plan.dimensions) or ())

    def _numeric(self, node: Node | Test) -> str:  # noqa: PLR0911 - one case for each node
        """Write one operation over the values of its parts: leaves as given, results in base units."""
        match node:
            case Operation() | Comparison():
                return f"{self._shown(node.left)} {sign(node.operator)} {self._shown(node.right)}"
            case Call():
                return f"{node.function}({', '.join(self._shown(each) for each in node.arguments)})"
            case Steps():
                return f"steps({self._shown(node.value)}, {node.ladder})"
            case Choice():
                return self._shown(node.then if self._holds(node.test) else node.otherwise)
            case Junction():
                return f" {node.operator} ".join(str(self._holds(each)).lower() for each in node.parts)
            case Inversion():
                return f"not {str(self._holds(node.operand)).lower()}"
            case Negation():
                return f"−{self._shown(node.operand)}"
            case _:
                return render(node, self.words)

    def _shown(self, node: Node) -> str:
        if isinstance(node, Name | Number | Lookup):
            return render(node, self.words)
        value, unit = self._value(node)
        return f"({value} {unit})" if unit != "1" else f"({value})"

    def _told(self, node: Node | Test) -> tuple[Title | None, str | None]:
        """Say which branch or which range was taken, and where the range was read."""
        if isinstance(node, Choice):
            holding = self._holds(node.test)
            branch = render(node.then if holding else node.otherwise)
            return (
                Title(
                    zh=f"条件 {render(node.test)} {'成立' if holding else '不成立'}，取 {branch}",
                    en=f"{render(node.test)} is {'true' if holding else 'false'}: {branch} is taken",
                ),
                None,
            )
        if isinstance(node, Steps):
            ladder = next(each for each in self.text.steps if each.name == node.ladder)
            value = evaluate(node.value, self.values, self.plan.ladders)
            row: Range = ladder.rows[self.plan.ladders[node.ladder].position(value)]
            unit, worth = ladder.unit_in, _worded(row.value, ladder.unit_out)
            if row.last is None:
                told = Title(
                    zh=f"取 {row.first} {unit} 及以上一段：{worth}", en=f"from {row.first} {unit} on: {worth}"
                )
            else:
                told = Title(
                    zh=f"取 {row.first} 至 {row.last} {unit}（不含上限）一段：{worth}",
                    en=f"from {row.first} to below {row.last} {unit}: {worth}",
                )
            return told, row.source or ladder.source
        return None, None
