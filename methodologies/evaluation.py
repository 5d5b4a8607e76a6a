"""The exact value of a formula, apart from the compiled code: to explain it, and to check the code against."""

from bisect import bisect_right
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

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


class Ladder(NamedTuple):
    """Steps by range in base units: `values[n]` counts from `starts[n]` (inclusive) to the next start."""

    starts: tuple[Fraction, ...]
    values: tuple[Fraction, ...]

    def position(self, value: Fraction) -> int:
        """Return the number of the step that a value falls in, from 0."""
        return bisect_right(self.starts[1:], value)


NO_LADDERS: Mapping[str, Ladder] = MappingProxyType({})


def evaluate(  # noqa: PLR0911 - one case for each node
    node: Node, values: Mapping[str, Fraction], ladders: Mapping[str, Ladder] = NO_LADDERS
) -> Fraction:
    """Return the exact value, every name and table in its base unit.

    Raises `ZeroDivisionError` and `KeyError`.
    """

    def of(part: Node) -> Fraction:
        return evaluate(part, values, ladders)

    match node:
        case Number():
            return node.value
        case Name():
            return values[node.id]
        case Lookup():
            return values[node.table]
        case Negation():
            return -of(node.operand)
        case Operation():
            return _operate(node.operator, of(node.left), of(node.right))
        case Call():
            return _call(node.function, [of(each) for each in node.arguments])
        case Steps():
            ladder = ladders[node.ladder]
            return ladder.values[ladder.position(of(node.value))]
        case Choice():
            return of(node.then if holds(node.test, values, ladders) else node.otherwise)


def holds(test: Test, values: Mapping[str, Fraction], ladders: Mapping[str, Ladder] = NO_LADDERS) -> bool:
    """Return whether a test is true."""
    match test:
        case Comparison():
            left, right = evaluate(test.left, values, ladders), evaluate(test.right, values, ladders)
            return _compare(test.operator, left, right)
        case Junction():
            join = all if test.operator == "and" else any
            return join(holds(each, values, ladders) for each in test.parts)
        case Inversion():
            return not holds(test.operand, values, ladders)


def _compare(operator: str, left: Fraction, right: Fraction) -> bool:
    order = (left > right) - (left < right)
    return {
        "<": order < 0,
        "<=": order <= 0,
        ">": order > 0,
        ">=": order >= 0,
        "==": order == 0,
        "!=": order != 0,
    }[operator]


def _operate(operator: str, left: Fraction, right: Fraction) -> Fraction:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    return left * right if operator == "*" else left / right


def _call(function: str, values: list[Fraction]) -> Fraction:
    if function == "min":
        return min(values)
    if function == "max":
        return max(values)
    value, low, high = values
    return min(max(value, low), high)
