"""A methodology as exact integer steps: its checks, then one numerator over one denominator.

A visitor over the tree of the formula. What it does not know it refuses by name, so that a formula is
computed as the row engine computes it or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm
from typing import Literal, cast

from app.backtest.errors import EngineRefused
from app.backtest.whole import (
    Compared,
    Inverted,
    Joined,
    Order,
    Test,
    Whole,
    add,
    choose,
    given,
    greatest,
    least,
    number,
    peak,
    times,
)
from methodologies import Methodology
from methodologies.evaluation import Ladder
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
)
from methodologies.model import Input, Plausibility
from methodologies.tables import Table

MG_PER_G = 1000
NATION = "100000"
MOST_TABLE_ROWS = 500
MAX_64 = 2**63 - 1
MAX_128 = 10**38 - 1
"""What DECIMAL(38,0) holds; DuckDB keeps it in a 128-bit integer."""

REASONS = (
    "reported_late",
    "missing_input",
    "input_out_of_range",
    "implausible_distance",
    "implausible_duration",
    "implausible_speed",
    "unknown_kind",
    "no_table_value",
    "rule_failed",
    "negative_reduction",
)
"""The refusals that a text decides. Their places, from 1, are their numbers in an engine; 0 is no refusal."""

_PLAUSIBILITY = frozenset(
    {"max_speed_kmh", "min_duration_s", "max_duration_s", "min_distance_m", "max_distance_m"}
)
_TOLD = frozenset({"basis", "source"})
_IMPLAUSIBLE = (
    ("min_distance_m", "implausible_distance", "distance_m", -1),
    ("max_distance_m", "implausible_distance", "distance_m", 1),
    ("min_duration_s", "implausible_duration", "duration_s", -1),
    ("max_duration_s", "implausible_duration", "duration_s", 1),
)


@dataclass(frozen=True, slots=True)
class Over:
    """Refuses with `reason` where `more` exceeds `less`, both of inputs that are present."""

    reason: str
    more: Whole
    less: Whole
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """A table's value: of the first row whose keys are the act's, else the default, else the act is refused."""

    name: str
    keys: tuple[str, ...]
    rows: tuple[tuple[tuple[int, ...], int], ...]
    default: int | None
    least: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A methodology as an engine runs it: inputs, checks in order, then mg CO2e = `over` // `under`.

    `over` below zero is a negative reduction where `signed`; `half_up` rounding is part of the two already,
    so `over` is to be divided downwards, and `sign` is what is tested. Kinds are numbers of the export.
    """

    inputs: tuple[Input, ...]
    checks: tuple[Over, ...]
    tables: tuple[Read, ...]
    sign: Whole | None
    over: Whole
    under: Whole
    wide: bool
    kind: Literal["ignored", "refused", "needed"]
    """What becomes of an act's kind: where no act has one it is ignored."""
    kinds: tuple[int, ...] | None
    """The kinds that are known, where the text lists them."""
    report_within_days: int | None
    share_percent: int | None
    """What a self-report earns of the amount."""


@dataclass(frozen=True, slots=True)
class _Quotient:
    """`coefficient × over ÷ under`, `under` positive, and the least and greatest value of the whole."""

    coefficient: Fraction
    over: Whole
    under: Whole
    low: Fraction
    high: Fraction

    @property
    def constant(self) -> bool:
        return self.over == self.under == _ONE


_ONE = number(1)


def plan_of(methodology: Methodology, engine: str, kinds: Sequence[str] = ()) -> Plan:
    """Plan a methodology for an engine; raises `EngineRefused` where 128 bits or the engine's words end.

    `kinds` are those of the export's acts, by their number.
    """
    text, compiled = methodology.text, methodology.plan
    if compiled.tree is None:
        raise EngineRefused(
            engine, str(text.rule), "Python 规则只能逐行运行", "a Python rule runs row by row only"
        )
    scope = {item.name: _input(item, compiled.units[item.name].scale) for item in text.inputs}
    for parameter in text.parameters:
        scope[parameter.name] = _constant(Fraction(parameter.value) * compiled.units[parameter.name].scale)
    reads = tuple(_read(name, table, text.region, engine, kinds) for name, table in compiled.tables.items())
    for read, table in zip(reads, compiled.tables.values(), strict=True):
        scope[read.name] = _looked_up(read, table)
    visitor = _Visitor(engine, scope, compiled.ladders)
    result = visitor.multiply(visitor.visit(compiled.tree), _constant(Fraction(MG_PER_G)))
    over = times(number(result.coefficient.numerator), result.over)
    under = times(number(result.coefficient.denominator), result.under)
    sign = over if result.low < 0 else None
    if sign is not None:
        over = greatest(over, number(0))
    if text.rounding.mode == "half_up" and under != _ONE:
        over, under = add(times(number(2), over), under), times(number(2), under)
    checks = tuple(_plausibility(text.plausibility, {item.name: item for item in text.inputs}, engine))
    most = max(peak(each) for each in (over, under, *(side for c in checks for side in (c.more, c.less))))
    if most > MAX_128:
        raise EngineRefused(
            engine,
            methodology.formula,
            f"中间结果可达 {len(str(most))} 位数字，超出 DECIMAL(38,0)",
            f"a step can reach {len(str(most))} digits, more than DECIMAL(38,0) holds",
        )
    reads_kind = "kind" in methodology.context
    return Plan(
        inputs=text.inputs,
        checks=checks,
        tables=reads,
        sign=sign,
        over=over,
        under=under,
        wide=most > MAX_64,
        kind="needed" if reads_kind else "refused" if kinds else "ignored",
        kinds=tuple(place for place, kind in enumerate(kinds) if kind in text.kinds) if text.kinds else None,
        report_within_days=text.report_within_days,
        share_percent=None if text.self_report is None else text.self_report.share_percent,
    )


def _constant(value: Fraction) -> _Quotient:
    return _Quotient(value, _ONE, _ONE, value, value)


def _input(item: Input, scale: Fraction) -> _Quotient:
    return _Quotient(scale, given(item.name, item.min, item.max), _ONE, item.min * scale, item.max * scale)


def _read(name: str, table: Table, region: str, engine: str, kinds: Sequence[str]) -> Read:
    """The rows of a table that acts of a region, of the kinds that the export has, can ask for."""
    keys: tuple[str, ...] = table.text.keys
    _, values, default = table.integers()
    numbers = {kind: place for place, kind in enumerate(kinds)}
    province = None if region == NATION else int(region[:2] + "0000")
    rows = []
    for key, value in values.items():
        named = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        if "kind" in named and named["kind"] not in numbers:
            continue
        if province is not None and named.get("province", province) != province:
            continue
        parts = (numbers[str(part)] if name_ == "kind" else int(part) for name_, part in named.items())
        rows.append((tuple(parts), value))
    if len(rows) > MOST_TABLE_ROWS:
        raise EngineRefused(
            engine, name, f"表多于 {MOST_TABLE_ROWS} 行", f"the table has more than {MOST_TABLE_ROWS} rows"
        )
    return Read(name, keys, tuple(rows), default, min([*(value for _, value in rows), default or 0]))


def _looked_up(read: Read, table: Table) -> _Quotient:
    over, _, _ = table.integers()
    known = [value for _, value in read.rows] + ([] if read.default is None else [read.default])
    # Where no row can be asked for, every act is refused; the least stands in.
    low, high = min([*known, read.least]), max([*known, read.least])
    value = given(f"table {read.name}", low, high)
    return _Quotient(Fraction(1, over), value, _ONE, Fraction(low, over), Fraction(high, over))


class _Visitor:
    """Visits the tree of one formula for one engine."""

    def __init__(self, engine: str, scope: Mapping[str, _Quotient], ladders: Mapping[str, Ladder]) -> None:
        self._engine = engine
        self._scope = scope
        self._ladders = ladders

    def visit(self, node: Node) -> _Quotient:  # noqa: PLR0911 - one for each kind of node
        match node:
            case Number():
                return _constant(node.value)
            case Name():
                return self._scope[node.id]
            case Negation():
                return self._negate(self.visit(node.operand))
            case Operation(operator="+" | "-" | "*" | "/"):
                return self._operate(node.operator, self.visit(node.left), self.visit(node.right))
            case Call(function="min" | "max" | "clip"):
                return self._call(node.function, [self.visit(each) for each in node.arguments])
            case Lookup():
                return self._scope[node.table]
            case Steps():
                return self._step(self.visit(node.value), self._ladders[node.ladder])
            case Choice():
                return self._choose(self.test(node.test), self.visit(node.then), self.visit(node.otherwise))
        raise self._unknown(node)

    def test(self, test: object) -> Test:
        """The test of a conditional, over integers of one denominator each."""
        match test:
            case Comparison(operator="<" | "<=" | ">" | ">=" | "==" | "!="):
                left, right, _, _ = _together(self.visit(test.left), self.visit(test.right))
                return Compared(cast("Order", test.operator), left, right)
            case Junction(operator="and" | "or"):
                return Joined(test.operator == "and", tuple(self.test(each) for each in test.parts))
            case Inversion():
                return Inverted(self.test(test.operand))
        raise self._unknown(test)

    @staticmethod
    def _choose(test: Test, then: _Quotient, otherwise: _Quotient) -> _Quotient:
        one, two, under, scale = _together(then, otherwise)
        low, high = min(then.low, otherwise.low), max(then.high, otherwise.high)
        return _Quotient(Fraction(1, scale), choose(test, one, two), under, low, high)

    def _step(self, value: _Quotient, ladder: Ladder) -> _Quotient:
        """The value of the last range that begins at or below."""
        result = _constant(ladder.values[0])
        for start, step in zip(ladder.starts[1:], ladder.values[1:], strict=True):
            left, right, _, _ = _together(value, _constant(start))
            result = self._choose(Compared(">=", left, right), _constant(step), result)
        return result

    def _unknown(self, node: object) -> EngineRefused:
        kind = type(node).__name__
        told = getattr(node, "function", None) or getattr(node, "operator", None)
        name = f"{kind} {told}" if told else kind
        return EngineRefused(self._engine, name, "该引擎不认识这种节点", "the engine does not know this node")

    def _operate(self, operator: str, left: _Quotient, right: _Quotient) -> _Quotient:
        if operator == "*":
            return self.multiply(left, right)
        if operator == "/":
            return self.multiply(left, self._invert(right))
        return self._merge("add", left, self._negate(right) if operator == "-" else right)

    def _call(self, function: str, values: list[_Quotient]) -> _Quotient:
        first, *others = values
        if function == "clip":
            low, high = others
            return self._merge("least", self._merge("greatest", first, low), high)
        for other in others:
            first = self._merge("least" if function == "min" else "greatest", first, other)
        return first

    @staticmethod
    def _negate(value: _Quotient) -> _Quotient:
        return _Quotient(-value.coefficient, value.over, value.under, -value.high, -value.low)

    @staticmethod
    def multiply(left: _Quotient, right: _Quotient) -> _Quotient:
        corners = [a * b for a, b in product((left.low, left.high), (right.low, right.high))]
        return _Quotient(
            left.coefficient * right.coefficient,
            times(left.over, right.over),
            times(left.under, right.under),
            min(corners),
            max(corners),
        )

    def _invert(self, value: _Quotient) -> _Quotient:
        if value.low <= 0 <= value.high:
            raise EngineRefused(self._engine, "/", "除数可能为零", "a divisor can be zero")
        low, high = 1 / value.high, 1 / value.low
        if (value.low > 0) == (value.coefficient > 0):
            return _Quotient(1 / value.coefficient, value.under, value.over, low, high)
        under = times(number(-1), value.over)
        return _Quotient(-1 / value.coefficient, value.under, under, low, high)

    @staticmethod
    def _merge(operation: str, left: _Quotient, right: _Quotient) -> _Quotient:
        """Bring two to one denominator and add or compare them there."""
        low, high = {
            "add": (left.low + right.low, left.high + right.high),
            "least": (min(left.low, right.low), min(left.high, right.high)),
            "greatest": (max(left.low, right.low), max(left.high, right.high)),
        }[operation]
        if left.constant and right.constant:
            return _constant(low)
        one, two, under, scale = _together(left, right)
        joined = {"add": add, "least": least, "greatest": greatest}[operation](one, two)
        return _Quotient(Fraction(1, scale), joined, under, low, high)


def _together(left: _Quotient, right: _Quotient) -> tuple[Whole, Whole, Whole, int]:
    """Two numerators over one positive denominator, and that denominator's integer factor."""
    scale = lcm(left.coefficient.denominator, right.coefficient.denominator)
    one, two, under = left.over, right.over, left.under
    if left.under != right.under:
        one, two = times(left.over, right.under), times(right.over, left.under)
        under = times(left.under, right.under)
    one = times(number(int(left.coefficient * scale)), one)
    two = times(number(int(right.coefficient * scale)), two)
    return one, two, under, scale


def _plausibility(rule: Plausibility | None, inputs: Mapping[str, Input], engine: str) -> list[Over]:
    """The checks in the order in which the row engine makes them."""
    if rule is None:
        return []
    told = {name for name, value in rule.model_dump(exclude_none=True).items() if value is not None}
    if unknown := sorted(told - _PLAUSIBILITY - _TOLD):
        raise EngineRefused(
            engine,
            f"plausibility.{unknown[0]}",
            "该引擎不认识这项合理性检查",
            "the engine does not know this check",
        )
    found: list[Over] = []
    for key, reason, name, direction in _IMPLAUSIBLE:
        bound = getattr(rule, key)
        if bound is not None:
            item = inputs[name]
            value, limit = given(name, item.min, item.max), number(bound)
            more, less_ = (value, limit) if direction > 0 else (limit, value)
            found.append(Over(reason, more, less_, (name,)))
    if rule.max_speed_kmh is not None:
        # distance_m / duration_s > v / 3.6  <=>  18 × distance_m > 5 v × duration_s
        distance, duration = inputs["distance_m"], inputs["duration_s"]
        found.append(
            Over(
                "implausible_speed",
                times(number(18), given("distance_m", distance.min, distance.max)),
                times(number(5 * rule.max_speed_kmh), given("duration_s", duration.min, duration.max)),
                ("distance_m", "duration_s"),
            )
        )
    return found
