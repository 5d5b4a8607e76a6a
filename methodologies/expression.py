"""The formula language: one expression, parsed into a small tree of exact numbers.

Allowed: whole and decimal numbers, names, `+ - * /`, unary `-`, parentheses, `min(a, b, ...)`,
`max(a, b, ...)`, `clip(x, low, high)`, `steps(x, name)`, a table by its keys (`name[key, key]`), and
`a if test else b`, whose test compares (`< <= > >= == !=`) and joins with `and`, `or`, `not`. Everything
else is refused with a `FormulaError`. Numbers are read from the source text, so no float ever stands
for one.
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
MAX_KEYS = 2

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)
_TEXT = re.compile(r"[A-Za-z0-9_+\-*/(),. <>=!\[\]]*", re.ASCII)
_OPERATORS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_FEWEST_ARGUMENTS = {"min": 2, "max": 2, "clip": 3, "steps": 2}
_MOST_ARGUMENTS = {"min": MAX_ARGUMENTS, "max": MAX_ARGUMENTS, "clip": 3, "steps": 2}
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
class Lookup:
    """A table's value for the keys of the act: `table[key, key]`."""

    table: str
    keys: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class Steps:
    """`steps(value, ladder)`: the value of the range of a ladder that `value` falls in."""

    value: "Node"
    ladder: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`, the operator one of `< <= > >= == !=`."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Junction:
    """Tests joined by one `and` or `or`."""

    operator: str
    parts: tuple["Test", ...]


@dataclass(frozen=True, slots=True)
class Inversion:
    """`not` of a test."""

    operand: "Test"


@dataclass(frozen=True, slots=True)
class Choice:
    """`then if test else otherwise`."""

    test: "Test"
    then: "Node"
    otherwise: "Node"


Node: TypeAlias = Number | Name | Lookup | Negation | Operation | Call | Steps | Choice
Test: TypeAlias = Comparison | Junction | Inversion


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

    def _count(self, depth: int) -> None:
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        if self.nodes > MAX_NODES:
            raise FormulaError(f"公式超过 {MAX_NODES} 个节点", f"formula has more than {MAX_NODES} nodes")

    def node(self, item: ast.expr, depth: int) -> Node:  # noqa: PLR0911 - one case for each node
        self._count(depth)
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
            case ast.Subscript():
                return _lookup(item)
            case ast.IfExp():
                test = self.test(item.test, depth + 1)
                return Choice(test, self.node(item.body, depth + 1), self.node(item.orelse, depth + 1))
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                raise FormulaError(
                    "比较与 and、or、not 只能写在条件“a if 条件 else b”里",
                    "comparisons, and, or, not stand only in the test of `a if test else b`",
                )
        kind = type(item.op if isinstance(item, ast.BinOp | ast.UnaryOp) else item).__name__
        raise FormulaError(f"公式不允许 {kind}", f"formula may not use {kind}")

    def test(self, item: ast.expr, depth: int) -> Test:
        self._count(depth)
        match item:
            case ast.Compare() if len(item.ops) > 1:
                raise FormulaError(
                    "比较不能连写，请用 and 连接", "comparisons are not chained: join them with and"
                )
            case ast.Compare() if type(item.ops[0]) in _COMPARISONS:
                left, right = self.node(item.left, depth + 1), self.node(item.comparators[0], depth + 1)
                return Comparison(_COMPARISONS[type(item.ops[0])], left, right)
            case ast.BoolOp():
                operator = "and" if isinstance(item.op, ast.And) else "or"
                return Junction(operator, tuple(self.test(each, depth + 1) for each in item.values))
            case ast.UnaryOp(op=ast.Not()):
                return Inversion(self.test(item.operand, depth + 1))
        raise FormulaError(
            "条件须为比较，或以 and、or、not 连接的比较",
            "a test is a comparison, or comparisons joined with and, or, not",
        )

    def _number(self, item: ast.Constant) -> Number:
        text = self.source[item.col_offset : item.end_col_offset]
        if not _NUMBER.fullmatch(text):
            raise FormulaError(
                "数字必须写作整数或小数（各至多 15 位，无指数）",
                "a number is digits with an optional decimal part (15 digits each, no exponent)",
            )
        return Number(Fraction(text), text)

    def _call(self, item: ast.Call, depth: int) -> Call | Steps:
        if not isinstance(item.func, ast.Name) or item.func.id not in FUNCTIONS or item.keywords:
            raise FormulaError(
                "只能调用 min、max、clip、steps", "only min, max, clip and steps may be called"
            )
        name = item.func.id
        if not _FEWEST_ARGUMENTS[name] <= len(item.args) <= _MOST_ARGUMENTS[name]:
            raise FormulaError(f"{name} 的参数个数不对", f"{name} has the wrong number of arguments")
        if name == "steps":
            value, ladder = item.args
            if not isinstance(ladder, ast.Name):
                raise FormulaError(
                    "steps 的第二项须为分段表名", "the second of steps is the name of a ladder"
                )
            return Steps(self.node(value, depth + 1), ladder.id)
        return Call(name, tuple(self.node(each, depth + 1) for each in item.args))


def _lookup(item: ast.Subscript) -> Lookup:
    parts = item.slice.elts if isinstance(item.slice, ast.Tuple) else [item.slice]
    keys = [each.id for each in parts if isinstance(each, ast.Name)]
    if not isinstance(item.value, ast.Name) or len(keys) != len(parts) or not 1 <= len(keys) <= MAX_KEYS:
        raise FormulaError(
            "查表须写作 表名[键] 或 表名[键, 键]", "a table is read as name[key] or name[key, key]"
        )
    return Lookup(item.value.id, tuple(keys))


def parts_of(node: Node | Test) -> tuple[Node | Test, ...]:  # noqa: PLR0911 - one case for each node
    """Return what stands directly below a node."""
    match node:
        case Negation() | Inversion():
            return (node.operand,)
        case Operation() | Comparison():
            return (node.left, node.right)
        case Call():
            return node.arguments
        case Junction():
            return node.parts
        case Steps():
            return (node.value,)
        case Choice():
            return (node.test, node.then, node.otherwise)
        case _:
            return ()


def walk(node: Node | Test) -> Iterator[Node | Test]:
    """Yield `node` and everything below it, children first."""
    for part in parts_of(node):
        yield from walk(part)
    yield node


def names(node: Node) -> frozenset[str]:
    """Return the names of inputs and parameters that the expression reads."""
    return frozenset(each.id for each in walk(node) if isinstance(each, Name))


_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2}
_SIGNS = {"+": "+", "-": "−", "*": "×", "/": "÷", "<=": "≤", ">=": "≥", "==": "=", "!=": "≠"}


def sign(operator: str) -> str:
    """Return an operator as it is printed: `×` for `*`, `≤` for `<=`."""
    return _SIGNS.get(operator, operator)


def render(node: Node | Test, words: Mapping[str, str] | None = None, within: int = 0) -> str:  # noqa: C901 - one case for each node
    """Write the expression out, names replaced by `words` where given, with `×` and `÷`."""
    match node:
        case Number():
            text = node.text
        case Name():
            text = (words or {}).get(node.id, node.id)
        case Lookup():
            text = (words or {}).get(node.table) or f"{node.table}[{', '.join(node.keys)}]"
        case Negation():
            text = f"−{render(node.operand, words, 3)}"
        case Operation():
            strength = _STRENGTH[node.operator]
            right = strength + (node.operator in "-/")
            text = _join(node, render(node.left, words, strength), render(node.right, words, right))
            text = f"({text})" if strength < within else text
        case Comparison():
            text = _join(node, render(node.left, words, 1), render(node.right, words, 1))
        case Call():
            text = f"{node.function}({', '.join(render(each, words) for each in node.arguments)})"
        case Steps():
            text = f"steps({render(node.value, words)}, {node.ladder})"
        case Junction():
            text = f" {node.operator} ".join(render(each, words, 1) for each in node.parts)
            text = f"({text})" if within else text
        case Inversion():
            text = f"not {render(node.operand, words, 1)}"
        case Choice():
            test, then = render(node.test, words), render(node.then, words, 1)
            text = f"{then} if {test} else {render(node.otherwise, words)}"
            text = f"({text})" if within else text
    return text


def _join(node: Operation | Comparison, left: str, right: str) -> str:
    return f"{left} {sign(node.operator)} {right}"
