"""The formula language: one arithmetic expression, parsed into a small tree of exact numbers.

Allowed: whole and decimal numbers, names, `+ - * /`, unary `-`, parentheses, and the calls
`min(a, b, ...)`, `max(a, b, ...)`, `clip(x, low, high)`. Everything else is refused with a
`FormulaError`. Numbers are read from the source text, so no float ever stands for one.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from methodologies.errors import FormulaError

MAX_CHARACTERS = 500
MAX_DEPTH = 40
MAX_NODES = 200
MAX_ARGUMENTS = 8

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
_TEXT = re.compile(r"[A-Za-z0-9_+\-*/(),. ]*", re.ASCII)
_OPERATORS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_FEWEST_ARGUMENTS = {"min": 2, "max": 2, "clip": 3}
_MOST_ARGUMENTS = {"min": MAX_ARGUMENTS, "max": MAX_ARGUMENTS, "clip": 3}
FUNCTIONS = frozenset(_FEWEST_ARGUMENTS)


@dataclass(frozen=True, slots=True)
class Number:
    """A literal, without a unit."""

    value: Fraction
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """An input or a parameter."""

    id: str


@dataclass(frozen=True, slots=True)
class Negation:
    """Unary minus."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class Operation:
    """`left operator right`, the operator one of `+ - * /`."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """`min`, `max` or `clip` of two or more values."""

    function: str
    arguments: tuple["Node", ...]


Node: TypeAlias = Number | Name | Negation | Operation | Call


def parse(source: str) -> Node:
    """Return the tree of `source`.

    Raises `FormulaError` for anything outside the language, for text over 500 characters, nesting
    over 40 levels or more than 200 nodes. Never raises `RecursionError`.
    """
    if len(source) > MAX_CHARACTERS:
        raise FormulaError(
            f"公式超过 {MAX_CHARACTERS} 个字符", f"formula is over {MAX_CHARACTERS} characters"
        )
    if not _TEXT.fullmatch(source):
        raise FormulaError("公式含有不允许的字符", "formula has a character that is not allowed")
    text = source.strip()
    try:
        body = ast.parse(text, mode="eval").body
    except (RecursionError, MemoryError):
        raise _too_deep() from None
    except (SyntaxError, ValueError) as error:
        if "nested" in str(error):
            raise _too_deep() from None
        raise FormulaError("公式不是一个算术表达式", "formula is not one arithmetic expression") from None
    return _Builder(text).node(body, 1)


def _too_deep() -> FormulaError:
    return FormulaError(f"公式嵌套超过 {MAX_DEPTH} 层", f"formula is nested deeper than {MAX_DEPTH} levels")


class _Builder:
    """Turn Python's tree into ours, counting depth and nodes."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.nodes = 0

    def node(self, item: ast.expr, depth: int) -> Node:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        if self.nodes > MAX_NODES:
            raise FormulaError(f"公式超过 {MAX_NODES} 个节点", f"formula has more than {MAX_NODES} nodes")
        match item:
            case ast.Constant():
                return self._number(item)
            case ast.Name():
                return Name(item.id)
            case ast.UnaryOp(op=ast.USub()):
                return Negation(self.node(item.operand, depth + 1))
            case ast.BinOp() if type(item.op) in _OPERATORS:
                left, right = self.node(item.left, depth + 1), self.node(item.right, depth + 1)
                return Operation(_OPERATORS[type(item.op)], left, right)
            case ast.Call():
                return self._call(item, depth)
        kind = type(item.op if isinstance(item, ast.BinOp | ast.UnaryOp) else item).__name__
        raise FormulaError(f"公式不允许 {kind}", f"formula may not use {kind}")

    def _number(self, item: ast.Constant) -> Number:
        text = self.source[item.col_offset : item.end_col_offset]
        if not _NUMBER.fullmatch(text):
            raise FormulaError(
                "数字必须写作整数或小数（各至多 15 位，无指数）",
                "a number is digits with an optional decimal part (15 digits each, no exponent)",
            )
        return Number(Fraction(text), text)

    def _call(self, item: ast.Call, depth: int) -> Call:
        if not isinstance(item.func, ast.Name) or item.func.id not in FUNCTIONS or item.keywords:
            raise FormulaError("只能调用 min、max、clip", "only min, max and clip may be called")
        name = item.func.id
        if not _FEWEST_ARGUMENTS[name] <= len(item.args) <= _MOST_ARGUMENTS[name]:
            raise FormulaError(f"{name} 的参数个数不对", f"{name} has the wrong number of arguments")
        return Call(name, tuple(self.node(each, depth + 1) for each in item.args))


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and everything below it, children first."""
    match node:
        case Negation():
            yield from walk(node.operand)
        case Operation():
            yield from walk(node.left)
            yield from walk(node.right)
        case Call():
            for each in node.arguments:
                yield from walk(each)
        case _:
            pass
    yield node


def names(node: Node) -> frozenset[str]:
    """Return the names that the expression reads."""
    return frozenset(each.id for each in walk(node) if isinstance(each, Name))


def evaluate(node: Node, values: Mapping[str, Fraction]) -> Fraction:
    """Return the exact value, every name in its base unit.

    Used to explain and to check the compiled code against. Raises `ZeroDivisionError` and `KeyError`.
    """
    match node:
        case Number():
            return node.value
        case Name():
            return values[node.id]
        case Negation():
            return -evaluate(node.operand, values)
        case Operation():
            return operate(node.operator, evaluate(node.left, values), evaluate(node.right, values))
        case Call():
            return call(node.function, [evaluate(each, values) for each in node.arguments])


def operate(operator: str, left: Fraction, right: Fraction) -> Fraction:
    """Return `left operator right` exactly."""
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    return left * right if operator == "*" else left / right


def call(function: str, values: list[Fraction]) -> Fraction:
    """Return `min`, `max` or `clip` (`min(max(x, low), high)`) of exact values."""
    if function == "min":
        return min(values)
    if function == "max":
        return max(values)
    value, low, high = values
    return min(max(value, low), high)


_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2}


def render(node: Node, words: Mapping[str, str] | None = None, within: int = 0) -> str:
    """Write the expression out, names replaced by `words` where given, with `×` and `÷`."""
    match node:
        case Number():
            return node.text
        case Name():
            return (words or {}).get(node.id, node.id)
        case Negation():
            return f"−{render(node.operand, words, 3)}"
        case Operation():
            strength = _STRENGTH[node.operator]
            sign = {"+": "+", "-": "−", "*": "×", "/": "÷"}[node.operator]
            right = strength + (node.operator in "-/")
            text = f"{render(node.left, words, strength)} {sign} {render(node.right, words, right)}"
            return f"({text})" if strength < within else text
        case Call():
            return f"{node.function}({', '.join(render(each, words) for each in node.arguments)})"
