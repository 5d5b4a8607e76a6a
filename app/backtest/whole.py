"""Integer expressions that carry the least and greatest value they can take.

The bounds say up front which width an engine needs, and whether it has one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["number", "input", "add", "times", "least", "greatest", "choose"]
Order: TypeAlias = Literal["<", "<=", ">", ">=", "==", "!="]
"""Comparisons, as formulas write them."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A number, an input, or an operation on two of them, with its bounds (inclusive)."""

    kind: Kind
    low: int
    high: int
    parts: tuple["Whole", ...] = ()
    name: str = ""
    test: "Test | None" = None


@dataclass(frozen=True, slots=True)
class Compared:
    """`left order right`."""

    order: Order
    left: Whole
    right: Whole


@dataclass(frozen=True, slots=True)
class Joined:
    """Tests of which all hold, or any."""

    every: bool
    parts: tuple["Test", ...]


@dataclass(frozen=True, slots=True)
class Inverted:
    """A test that does not hold."""

    part: "Test"


Test: TypeAlias = Compared | Joined | Inverted


def number(value: int) -> Whole:
    """A constant."""
    return Whole("number", value, value)


def given(name: str, low: int, high: int) -> Whole:
    """An input that lies within its bounds."""
    return Whole("input", low, high, name=name)


def add(left: Whole, right: Whole) -> Whole:
    """The sum."""
    return _joined("add", left, right, left.low + right.low, left.high + right.high)


def times(left: Whole, right: Whole) -> Whole:
    """The product; a factor of one is left out."""
    if left == _ONE:
        return right
    if right == _ONE:
        return left
    corners = [a * b for a, b in product((left.low, left.high), (right.low, right.high))]
    return _joined("times", left, right, min(corners), max(corners))


def least(left: Whole, right: Whole) -> Whole:
    """The lesser of two."""
    return _joined("least", left, right, min(left.low, right.low), min(left.high, right.high))


def greatest(left: Whole, right: Whole) -> Whole:
    """The greater of two."""
    return _joined("greatest", left, right, max(left.low, right.low), max(left.high, right.high))


def choose(test: Test, then: Whole, otherwise: Whole) -> Whole:
    """One of two."""
    low, high = min(then.low, otherwise.low), max(then.high, otherwise.high)
    return Whole("choose", low, high, (then, otherwise), test=test)


def peak(whole: Whole) -> int:
    """The greatest magnitude that any step of the expression can reach."""
    return max(max(abs(each.low), abs(each.high)) for each in _walk(whole))


def _joined(kind: Kind, left: Whole, right: Whole, low: int, high: int) -> Whole:
    if left.kind == right.kind == "number":
        return number(low)
    return Whole(kind, low, high, (left, right))


def _walk(whole: Whole) -> Iterator[Whole]:
    yield whole
    for part in whole.parts:
        yield from _walk(part)
    if whole.test is not None:
        yield from _tested(whole.test)


def _tested(test: Test) -> Iterator[Whole]:
    match test:
        case Compared():
            yield from _walk(test.left)
            yield from _walk(test.right)
        case Joined():
            for part in test.parts:
                yield from _tested(part)
        case Inverted():
            yield from _tested(test.part)


_ONE = number(1)
