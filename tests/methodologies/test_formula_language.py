"""The formula engine against an evaluator of its own, and against what it must refuse."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methodologies import codegen
from methodologies.errors import FormulaError, Refused
from methodologies.expression import MAX_DEPTH, evaluate, parse, render

RANGES = {"a": (0, 1000), "b": (1, 10**6), "c": (5, 5)}
PARAMETERS = {"p": Fraction(467, 10), "q": Fraction(1, 3), "z": Fraction(0)}


@dataclass
class Made:
    """A random expression and its value, computed without the code under test."""

    text: str
    value: Callable[[dict[str, Fraction]], Fraction]


def _leaf(name):
    return Made(name, lambda env: env[name])


def _number(parts):
    text = f"{parts[0]}.{parts[1]}" if parts[1] else str(parts[0])
    return Made(text, lambda _: Fraction(text))


def _binary(parts):
    left, sign, right = parts
    operate = {
        "+": lambda x, y: x + y,
        "-": lambda x, y: x - y,
        "*": lambda x, y: x * y,
        "/": lambda x, y: x / y,
    }[sign]
    return Made(
        f"({left.text}) {sign} ({right.text})", lambda env: operate(left.value(env), right.value(env))
    )


def _choice(parts):
    name, items = parts
    chosen = {"min": min, "max": max}[name]
    return Made(
        f"{name}({', '.join(i.text for i in items)})", lambda env: chosen(i.value(env) for i in items)
    )


def _clip(parts):
    x, low, high = parts
    return Made(
        f"clip({x.text}, {low.text}, {high.text})",
        lambda env: min(max(x.value(env), low.value(env)), high.value(env)),
    )


def _negative(inner):
    return Made(f"-({inner.text})", lambda env: -inner.value(env))


LEAVES = st.one_of(
    st.sampled_from([*RANGES, *PARAMETERS]).map(_leaf),
    st.tuples(st.integers(0, 10**6), st.text("0123456789", max_size=6)).map(_number),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(_binary),
        st.tuples(st.sampled_from(["min", "max"]), st.lists(inner, min_size=2, max_size=4)).map(_choice),
        st.tuples(inner, inner, inner).map(_clip),
        inner.map(_negative),
    ),
    max_leaves=12,
)
ACTS = st.fixed_dictionaries({name: st.integers(*bounds) for name, bounds in RANGES.items()})


def compiled(text, mode="floor"):
    scope = {name: codegen.variable(name, Fraction(1), *bounds) for name, bounds in RANGES.items()}
    scope |= {name: codegen.constant(value) for name, value in PARAMETERS.items()}
    term = codegen.in_milligrams(codegen.compile_term(parse(text), scope))
    reads = [f"{name} = get('{name}')" for name in RANGES]
    return codegen.build([*reads, *codegen.result_lines(term, mode)], "test")


@settings(max_examples=500, deadline=None)
@given(EXPRESSIONS, ACTS, st.sampled_from(["floor", "half_up"]))
def test_compiled_code_equals_exact_fractions(made, act, mode):
    try:
        quantify, source = compiled(made.text, mode)
    except FormulaError as refused:
        # Only what the engine cannot bound may be refused: the text itself is of the language.
        assert "zero" in str(refused) or "64-bit" in str(refused) or "large" in str(refused)  # noqa: PT017
        return
    env = {name: Fraction(value) for name, value in act.items()} | PARAMETERS
    wanted = made.value(env)
    assert evaluate(parse(made.text), env) == wanted
    for node in ast.walk(ast.parse(source)):
        assert not isinstance(node, ast.Div | ast.Pow)
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float))
    if wanted < 0:
        with pytest.raises(Refused, match="negative_reduction"):
            quantify(act)
        return
    exact = wanted * 1000
    result = quantify(act)
    assert type(result) is int
    assert result == (floor(exact) if mode == "floor" else floor(exact + Fraction(1, 2)))


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, ACTS)
def test_what_is_rendered_means_the_same(made, act):
    tree = parse(made.text)
    again = parse(render(tree).translate(str.maketrans("×÷−", "*/-")))
    env = {name: Fraction(value) for name, value in act.items()} | PARAMETERS
    try:
        wanted = evaluate(tree, env)
    except ZeroDivisionError:
        return
    assert evaluate(again, env) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "a.real",
        "a[0]",
        "a ** 2",
        "a // 2",
        "a % 2",
        "+a",
        "a < b",
        "a if b else a",
        "a and b",
        "lambda: 1",
        "(a, b)",
        "[a]",
        "{a}",
        "abs(a)",
        "eval(a)",
        "__import__(a)",
        "min(a)",
        "min(*a)",
        "min(a, b, key=a)",
        "clip(a, b)",
        "max(a, b)(a)",
        "'text'",
        "1E+3000000",
        "1e5",
        "1_000",
        "0x10",
        "1j",
        "01",
        ".5",
        "5.",
        "True",
        "None",
        "1" * 16,
        "0." + "1" * 16,
        "9" * 400,
        "a; b",
        "a := 1",
        "a\nb",
        "a # b",
        "",
        "   ",
        "ａ + b",  # a full-width letter, which Python would read as a
        "a + " * 200 + "a",
    ],
)
def test_refused(text):
    with pytest.raises(FormulaError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 240 + "a" + ")" * 240,
        "-" * 499 + "a",
        "min(a, " * 60 + "a" + ")" * 60,
        "a" + "+a" * (MAX_DEPTH + 1),
        "-" * MAX_DEPTH + "a",
    ],
)
def test_deep_nesting_is_refused_by_name(text):
    with pytest.raises(FormulaError, match="nested deeper"):
        parse(text)


def test_depth_at_the_bound_is_taken():
    assert evaluate(parse("-" * (MAX_DEPTH - 1) + "a"), {"a": Fraction(2)}) == -2


@pytest.mark.parametrize("text", ["a / 0", "p / z", "b / a", "b / (a - 1)", "1 / (b - b)"])
def test_a_divisor_that_can_be_zero_is_refused(text):
    with pytest.raises(FormulaError, match="zero"):
        compiled(text)


def test_a_formula_that_blows_up_when_expanded_is_refused_quickly():
    text = "a"
    for _ in range(19):
        text = f"1/(b+{text})"
    with pytest.raises(FormulaError, match="too large"):
        compiled(text)


def test_a_result_past_64_bits_is_refused():
    with pytest.raises(FormulaError, match="64-bit"):
        compiled("b * 999999999999999")
