"""Compile a formula into Python integer arithmetic.

Every value is kept as `coefficient × numerator ÷ denominator`: an exact fraction and two integer
expressions, the denominator always positive. Parameters, literals and unit scales fold into the
coefficient, so that the common formula becomes one multiplication and one floor division. A table is
an integer local, read once for the keys of the act; steps are a search among integers.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm
from typing import TypeAlias

from methodologies.errors import FormulaError, Refused
from methodologies.evaluation import NO_LADDERS, Ladder
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
)
from methodologies.model import Input, Plausibility

# Real formulas need a few hundred characters; nested quotients would grow without end.
MAX_CODE = 5_000
# A result must fit the bigint that stores it.
MAX_RESULT_MG = 2**63 - 1

Act: TypeAlias = Mapping[str, int | str]
Quantify = Callable[[Act], int]


@dataclass(frozen=True, slots=True)
class Term:
    """`coefficient × numerator ÷ denominator`, and the least and greatest value it can take."""

    coefficient: Fraction
    numerator: str
    denominator: str
    low: Fraction
    high: Fraction

    @property
    def constant(self) -> bool:
        """Whether no input enters."""
        return self.numerator == self.denominator == "1"


def constant(value: Fraction) -> Term:
    """Return a term for an exact number."""
    return Term(value, "1", "1", value, value)


def variable(code: str, scale: Fraction, low: int, high: int) -> Term:
    """Return a term for an integer input of `scale` base units within `[low, high]`."""
    return Term(scale, code, "1", low * scale, high * scale)


def looked_up(local: str, over: int, bounds: tuple[Fraction, Fraction]) -> Term:
    """Return a term for a table's value: a local integer over `over`, between bounds in base units."""
    return Term(Fraction(1, over), local, "1", *bounds)


def in_milligrams(term: Term) -> Term:
    """Return a term of grams as one of milligrams."""
    return _multiply(term, constant(Fraction(1000)))


def compile_term(node: Node, scope: Mapping[str, Term], ladders: Mapping[str, Ladder] = NO_LADDERS) -> Term:
    """Return the term of an expression; `scope` has the terms of names and of tables.

    Raises `FormulaError` for a divisor that can be zero and for code past its bound.
    """
    return _Compiler(scope, ladders).term(node)


class _Compiler:
    """Compile the parts of one expression."""

    def __init__(self, scope: Mapping[str, Term], ladders: Mapping[str, Ladder]) -> None:
        self._scope = scope
        self._ladders = ladders

    def term(self, node: Node) -> Term:
        term = self._term(node)
        if len(term.numerator) + len(term.denominator) > MAX_CODE:
            raise FormulaError("公式展开后过大", "formula is too large once expanded")
        return term

    def _term(self, node: Node) -> Term:  # noqa: PLR0911 - one case for each node
        match node:
            case Number():
                return constant(node.value)
            case Name():
                return self._scope[node.id]
            case Lookup():
                return self._scope[node.table]
            case Negation():
                return _negate(self.term(node.operand))
            case Operation():
                return _operate(node.operator, self.term(node.left), self.term(node.right))
            case Call():
                return _call(node.function, [self.term(each) for each in node.arguments])
            case Steps():
                return _step(self.term(node.value), node.ladder, self._ladders[node.ladder])
            case Choice():
                return _choose(self.test(node.test), self.term(node.then), self.term(node.otherwise))

    def test(self, test: Test) -> str:
        match test:
            case Comparison():
                left, right, _, _ = _together(self.term(test.left), self.term(test.right))
                return f"({left} {test.operator} {right})"
            case Junction():
                return f"({f' {test.operator} '.join(self.test(each) for each in test.parts)})"
            case Inversion():
                return f"(not {self.test(test.operand)})"


def _operate(operator: str, left: Term, right: Term) -> Term:
    if operator == "*":
        return _multiply(left, right)
    if operator == "/":
        return _multiply(left, _invert(right))
    return _merge("+", left, _negate(right) if operator == "-" else right)


def _call(function: str, values: Sequence[Term]) -> Term:
    first, *others = values
    if function == "clip":
        low, high = others
        return _merge("min", _merge("max", first, low), high)
    for other in others:
        first = _merge(function, first, other)
    return first


def _choose(test: str, then: Term, otherwise: Term) -> Term:
    """Take one of two terms; either can come, so the range is that of both."""
    one, two, denominator, scale = _together(then, otherwise)
    low, high = min(then.low, otherwise.low), max(then.high, otherwise.high)
    return Term(Fraction(1, scale), f"({one} if {test} else {two})", denominator, low, high)


def _step(term: Term, name: str, ladder: Ladder) -> Term:
    """Look the step up by the floor of the value: the starts are scaled until they are integers."""
    if term.low < ladder.starts[0]:
        raise FormulaError(
            f"分段表 {name} 的输入可能低于首段起点",
            f"the value of steps in {name} can lie below its first range",
        )
    scale = starts_scale(ladder)
    numerator = _times(_whole(term.coefficient.numerator * scale), term.numerator)
    denominator = _times(str(term.coefficient.denominator), term.denominator)
    place = numerator if denominator == "1" else f"{numerator} // ({denominator})"
    low, high = min(ladder.values), max(ladder.values)
    return Term(Fraction(1, values_scale(ladder)), f"v_{name}[bisect(b_{name}, {place})]", "1", low, high)


def starts_scale(ladder: Ladder) -> int:
    """Return what makes the starts of the ranges integers."""
    return lcm(*(start.denominator for start in ladder.starts))


def values_scale(ladder: Ladder) -> int:
    """Return what makes the values of the steps integers."""
    return lcm(*(value.denominator for value in ladder.values))


def ladder_constants(name: str, ladder: Ladder) -> dict[str, object]:
    """Return what the code of a step reads: the bounds between ranges and the values, as integers."""
    return {
        f"b_{name}": tuple(int(start * starts_scale(ladder)) for start in ladder.starts[1:]),
        f"v_{name}": tuple(int(value * values_scale(ladder)) for value in ladder.values),
    }


def _negate(term: Term) -> Term:
    return Term(-term.coefficient, term.numerator, term.denominator, -term.high, -term.low)


def _times(*factors: str) -> str:
    """Join factors, leaving out ones."""
    return "*".join(factor for factor in factors if factor != "1") or "1"


def _multiply(left: Term, right: Term) -> Term:
    corners = [a * b for a, b in product((left.low, left.high), (right.low, right.high))]
    return Term(
        left.coefficient * right.coefficient,
        _times(left.numerator, right.numerator),
        _times(left.denominator, right.denominator),
        min(corners),
        max(corners),
    )


def _invert(term: Term) -> Term:
    """Return one over `term`, whose sign must be the same over the whole range of the inputs."""
    if term.low <= 0 <= term.high:
        raise FormulaError("除数可能为零", "a divisor can be zero within the range of its inputs")
    low, high = 1 / term.high, 1 / term.low
    positive = (term.low > 0) == (term.coefficient > 0)
    if positive:
        return Term(1 / term.coefficient, term.denominator, term.numerator, low, high)
    return Term(-1 / term.coefficient, term.denominator, f"(-{term.numerator})", low, high)


def _together(left: Term, right: Term) -> tuple[str, str, str, int]:
    """Bring two terms to one positive denominator: two numerators, the denominator, and its integer factor."""
    scale = lcm(left.coefficient.denominator, right.coefficient.denominator)
    upper, lower = _whole(int(left.coefficient * scale)), _whole(int(right.coefficient * scale))
    if left.denominator == right.denominator:
        one, two = _times(upper, left.numerator), _times(lower, right.numerator)
        return one, two, left.denominator, scale
    one = _times(upper, left.numerator, right.denominator)
    two = _times(lower, right.numerator, left.denominator)
    return one, two, _times(left.denominator, right.denominator), scale


def _merge(operation: str, left: Term, right: Term) -> Term:
    """Add two terms, or take the lesser or greater."""
    low, high = {
        "+": (left.low + right.low, left.high + right.high),
        "min": (min(left.low, right.low), min(left.high, right.high)),
        "max": (max(left.low, right.low), max(left.high, right.high)),
    }[operation]
    if left.constant and right.constant:
        return constant(low)
    one, two, denominator, scale = _together(left, right)
    joined = f"({one} + {two})" if operation == "+" else f"{operation}({one}, {two})"
    return Term(Fraction(1, scale), joined, denominator, low, high)


def _whole(number: int) -> str:
    return f"({number})" if number < 0 else str(number)


def result_lines(term: Term, mode: str) -> list[str]:
    """Return the last lines of the function: refuse a negative result, round once to whole mg."""
    if term.high > MAX_RESULT_MG:
        raise FormulaError("结果可能超出 64 位整数", "the result can exceed a 64-bit integer")
    over, under = term.coefficient.numerator, term.coefficient.denominator
    numerator = _times(_whole(over), term.numerator)
    denominator = _times(str(under), term.denominator)
    lines = [f"n = {numerator}"]
    if term.low < 0:
        lines += ["if n < 0:", "    raise Refused('negative_reduction', 'co2e_g')"]
    if denominator == "1":
        return [*lines, "return n"]
    if mode == "half_up":
        return [*lines, f"d = {denominator}", "return (2 * n + d) // (2 * d)"]
    return [*lines, f"return n // ({denominator})" if "*" in denominator else f"return n // {denominator}"]


def input_lines(item: Input, local: str) -> list[str]:
    """Return the lines that read one input and check its presence, type and range."""
    outside = f"type({local}) is not int or not {item.min} <= {local} <= {item.max}"
    refuse = f"raise Refused('input_out_of_range', '{item.name}')"
    read = [f"{local} = get('{item.name}')"]
    if not item.required:
        return [*read, f"if {local} is not None and ({outside}):", f"    {refuse}"]
    return [
        *read,
        f"if {outside}:",
        f"    if {local} is None:",
        f"        raise Refused('missing_input', '{item.name}')",
        f"    {refuse}",
    ]


def plausibility_lines(rule: Plausibility, inputs: Mapping[str, tuple[Input, str]]) -> list[str]:
    """Return the lines that refuse an act that cannot be what it says it is."""
    checks: list[tuple[str, tuple[str, ...], str]] = []
    if rule.min_distance_m is not None:
        checks.append(("implausible_distance", ("distance_m",), f"{{}} < {rule.min_distance_m}"))
    if rule.max_distance_m is not None:
        checks.append(("implausible_distance", ("distance_m",), f"{{}} > {rule.max_distance_m}"))
    if rule.min_duration_s is not None:
        checks.append(("implausible_duration", ("duration_s",), f"{{}} < {rule.min_duration_s}"))
    if rule.max_duration_s is not None:
        checks.append(("implausible_duration", ("duration_s",), f"{{}} > {rule.max_duration_s}"))
    if rule.max_speed_kmh is not None:
        # distance_m / duration_s > v / 3.6  <=>  5 v × duration_s < 18 × distance_m
        both = ("duration_s", "distance_m")
        checks.append(("implausible_speed", both, f"{5 * rule.max_speed_kmh} * {{}} < 18 * {{}}"))
    lines: list[str] = []
    for code, fields, test in checks:
        missing = [field for field in fields if field not in inputs]
        if missing:
            raise FormulaError(
                f"合理性检查需要输入 {missing[0]}", f"plausibility needs the input {missing[0]}"
            )
        present = [f"{inputs[field][1]} is not None" for field in fields if not inputs[field][0].required]
        condition = test.format(*(inputs[field][1] for field in fields))
        lines += [f"if {' and '.join([*present, condition])}:", f"    raise Refused('{code}', '{fields[0]}')"]
    return lines


def context_lines(key: str, local: str, kinds: Sequence[str]) -> list[str]:
    """Return the lines that read one key of the act's place, time or kind; `kinds` bounds kinds if given."""
    wanted = "str" if key == "kind" else "int"
    lines = [
        f"{local} = get('{key}')",
        f"if type({local}) is not {wanted}:",
        f"    raise Refused('missing_input' if {local} is None else 'input_out_of_range', '{key}')",
    ]
    if key == "kind" and kinds:
        lines += [f"if {local} not in kinds:", "    raise Refused('unknown_kind', 'kind')"]
    return lines


def table_lines(name: str, local: str, keys: Sequence[str], default: int | None) -> list[str]:
    """Return the lines that look a table up by the locals of its keys."""
    key = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
    if default is not None:
        return [f"{local} = t_{name}.get({key}, {default})"]
    refuse = f"    raise Refused('no_table_value', '{name}')"
    return [f"{local} = t_{name}.get({key})", f"if {local} is None:", refuse]


def build(
    lines: Sequence[str], label: str, constants: Mapping[str, object] | None = None
) -> tuple[Quantify, str]:
    """Compile the lines into `quantify(act)`; return it with its source.

    The text holds integers, names of inputs from a fixed list, names of tables and steps (lower-case
    words behind a prefix) and locals made here, nothing else; `constants` are what those names mean.
    """
    source = "\n".join(["def quantify(act):", "    get = act.get", *(f"    {line}" for line in lines), ""])
    scope: dict[str, object] = {
        **(constants or {}),
        "__builtins__": {},
        "Refused": Refused,
        "bisect": bisect_right,
        "int": int,
        "max": max,
        "min": min,
        "str": str,
        "type": type,
    }
    exec(compile(source, f"<{label}>", "exec"), scope)  # noqa: S102 - see the docstring
    function: Quantify = scope["quantify"]  # type: ignore[assignment]
    return function, source
