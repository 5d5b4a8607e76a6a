"""The formula engine against an evaluator of its own, and against what it must refuse."""

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methodologies import codegen
from methodologies.errors import FormulaError, Refused
from methodologies.evaluation import Ladder, evaluate
from methodologies.expression import MAX_DEPTH, parse, render

RANGES = {"a": (0, 1000), "b": (1, 10**6), "c": (5, 5)}
# A table's value is an integer over 7; what a key gives lies between 0 and 13/7.
TABLE, OVER, MOST = "t", 7, 13
LADDERS = {
    "steep": Ladder(
        (Fraction(0), Fraction(1, 3), Fraction(5), Fraction(10**4)), tuple(map(Fraction, (9, 0, 2, 4)))
    ),
    "small": Ladder(
        (Fraction(-(10**30)), Fraction(-7, 2), Fraction(0)), (Fraction(1, 9), Fraction(5, 6), Fraction(3))
    ),
}
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


def _steps(parts):
    inner, name = parts
    starts, values = LADDERS[name]

    def value(env):
        found = inner.value(env)
        # Below the first range nothing is defined; the engine has to refuse such a formula.
        return next(v for s, v in reversed(list(zip(starts, values, strict=True))) if s <= found)

    return Made(f"steps({inner.text}, {name})", value)


def _if(parts):
    then, test, otherwise = parts
    return Made(
        f"(({then.text}) if ({test.text}) else ({otherwise.text}))",
        lambda env: then.value(env) if test.value(env) else otherwise.value(env),
    )


def _comparison(parts):
    left, sign, right = parts
    compare = {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    }[sign]
    return Made(
        f"({left.text}) {sign} ({right.text})", lambda env: compare(left.value(env), right.value(env))
    )


def _joined(parts):
    word, items = parts
    chosen = {"and": all, "or": any}[word]
    text = f" {word} ".join(f"({each.text})" for each in items)
    return Made(text, lambda env: chosen([each.value(env) for each in items]))


def _not(inner):
    return Made(f"not ({inner.text})", lambda env: not inner.value(env))


def _tests(inner):
    compared = st.tuples(inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner).map(_comparison)
    joined = st.tuples(st.sampled_from(["and", "or"]), st.lists(compared, min_size=2, max_size=3)).map(
        _joined
    )
    return st.one_of(compared, compared.map(_not), joined, joined.map(_not))


def _negative(inner):
    return Made(f"-({inner.text})", lambda env: -inner.value(env))


LEAVES = st.one_of(
    st.sampled_from([*RANGES, *PARAMETERS]).map(_leaf),
    st.just(Made(f"{TABLE}[kind]", lambda env: env[TABLE])),
    st.tuples(st.integers(0, 10**6), st.text("0123456789", max_size=6)).map(_number),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(_binary),
        st.tuples(st.sampled_from(["min", "max"]), st.lists(inner, min_size=2, max_size=4)).map(_choice),
        st.tuples(inner, inner, inner).map(_clip),
        inner.map(_negative),
        st.tuples(inner, st.sampled_from([*LADDERS])).map(_steps),
        st.tuples(inner, _tests(inner), inner).map(_if),
    ),
    max_leaves=12,
)
ACTS = st.fixed_dictionaries(
    {name: st.integers(*bounds) for name, bounds in (RANGES | {TABLE: (0, MOST)}).items()}
)


def term_of(text):
    scope = {name: codegen.variable(name, Fraction(1), *bounds) for name, bounds in RANGES.items()}
    scope |= {name: codegen.constant(value) for name, value in PARAMETERS.items()}
    scope[TABLE] = codegen.looked_up(TABLE, OVER, (Fraction(0), Fraction(MOST, OVER)))
    return codegen.compile_term(parse(text), scope, LADDERS)


def compiled(text, mode="floor"):
    term = codegen.in_milligrams(term_of(text))
    reads = [f"{name} = get('{name}')" for name in [*RANGES, TABLE]]
    constants = {
        key: value
        for name, ladder in LADDERS.items()
        for key, value in codegen.ladder_constants(name, ladder).items()
    }
    return codegen.build([*reads, *codegen.result_lines(term, mode)], "test", constants)


def environment(act):
    values = {name: Fraction(value) for name, value in act.items()} | PARAMETERS
    return values | {TABLE: Fraction(act[TABLE], OVER)}


UNBOUNDED = (
    "zero",
    "64-bit",
    "large",
    "below its first range",
    "nested deeper",
    "200 nodes",
    "500 characters",
)


@settings(max_examples=500, deadline=None)
@given(EXPRESSIONS, ACTS, st.sampled_from(["floor", "half_up"]))
def test_compiled_code_equals_exact_fractions(made, act, mode):
    try:
        quantify, source = compiled(made.text, mode)
    except FormulaError as refused:
        # Only what the engine cannot bound may be refused: the text itself is of the language.
        assert any(word in str(refused) for word in UNBOUNDED)  # noqa: PT017
        return
    env = environment(act)
    wanted = made.value(env)
    assert evaluate(parse(made.text), env, LADDERS) == wanted
    term = term_of(made.text)
    assert term.low <= wanted <= term.high
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
    signs = str.maketrans({"×": "*", "÷": "/", "−": "-", "=": "==", "≤": "<=", "≥": ">=", "≠": "!="})
    try:
        tree = parse(made.text)
        again = parse(render(tree).translate(signs))
    except FormulaError as refused:
        assert any(word in str(refused) for word in UNBOUNDED)  # noqa: PT017
        return
    env = environment(act)
    try:
        wanted = evaluate(tree, env, LADDERS)
    except ZeroDivisionError:
        return
    assert evaluate(again, env, LADDERS) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "a.real",
        "a[0]",
        "a[-1]",
        "a['x']",
        "a[b][c]",
        "a[b.c]",
        "a[b + c]",
        "a[b, c, d]",
        "a[b:c]",
        "a[*b]",
        "a[()]",
        "a[(b, c), d]",
        "min(a, b)[c]",
        "steps(a)",
        "steps(a, b, c)",
        "steps(a, 1)",
        "steps(a, b.c)",
        "steps(a, b[c])",
        "a if b < c < d else a",
        "a if a is b else a",
        "a if a in b else a",
        "a if not b else a",
        "a if a < b and c else a",
        "a if (a if a < b else b) else a",
        "a if a = b else a",
        "a if (c := b) < a else a",
        "a if a < 'x' else a",
        "min(a < b, c)",
        "(a < b) + 1",
        "not a",
        "a or b",
        "a < b if a < b else c",
        "a if a < b",
        "f'{a}'",
        "a if True else b",
        "[a for a in b]",
        "await a",
        "(lambda: a)()",
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


@pytest.mark.parametrize(
    "text",
    [
        "a / 0",
        "p / z",
        "b / a",
        "b / (a - 1)",
        "1 / (b - b)",
        "1 / (a if b > p else b)",  # in one branch
        "(1 / a) if a > 0 else 0",  # whatever the test says
        "1 / t[kind]",
        "1 / steps(b, steep)",
    ],
)
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
