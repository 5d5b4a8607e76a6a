"""A methodology as one Ibis expression over the columns of an export, the same on DuckDB and on Spark.

Integers only: 64 bits where the bounds allow it, else DECIMAL(38,0), which DuckDB keeps in 128 bits. Ibis has
no exact integer division (`//` floors a double), so the engines bring their own, by the name `DIVIDE`.
"""

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from app.backtest.acts import EVIDENCE
from app.backtest.errors import EngineRefused
from app.backtest.formula import MAX_64, MAX_128, REASONS, Plan, Read, plan_of
from app.backtest.whole import Compared, Inverted, Joined, Test, Whole
from app.crediting.rules import CapRule, cap_rules
from methodologies import Methodology
from methodologies.model import Input
from points.programmes import Programme

DIVIDE = "tanpuhui_quotient"
DIVIDE_WIDE = "tanpuhui_quotient_wide"
WIDE = dt.Decimal(38, 0)
NARROW = dt.int64
MOST_VERSIONS = 16

_MAX_INPUT = 10**12  # the most that the API takes for any input
_LEVELS = ("day", "month", "year")


@ibis.udf.scalar.builtin(name=DIVIDE, signature=((NARROW, NARROW), NARROW))
def _divide(over, under):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - the signature types it
    """Quotient of 64-bit integers of which neither is negative, rounded down."""


@ibis.udf.scalar.builtin(name=DIVIDE_WIDE, signature=((WIDE, WIDE), NARROW))
def _divide_wide(over, under):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The same of 128 bits; the quotient fits 64."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What a text says of an act: the number of its refusal (0 for none), and mg CO2e.

    `full_mg` is what the report's evidence earns of the amount computed; caps come after.
    """

    refusal: ir.IntegerValue
    quantified_mg: ir.IntegerValue
    full_mg: ir.IntegerValue


def quantified(table: ir.Table, methodology: Methodology, engine: str, kinds: Sequence[str] = ()) -> Amount:
    """Return refusal and mg of each row under a methodology; raises `EngineRefused`."""
    return amount_of(table, plan_of(methodology, engine, kinds))


def amount_of(table: ir.Table, plan: Plan) -> Amount:
    """Return refusal and mg of each row under a plan."""
    inputs = {item.name: _clamped(table[item.name], item) for item in plan.inputs}
    refusals = [*_of_reports(table, plan), *_of_inputs(table, plan, inputs), *_of_kinds(table, plan)]
    for read in plan.tables:
        value = _looked_up(table, read)
        if read.default is None:
            refusals.append((value.isnull(), "no_table_value"))
        inputs[f"table {read.name}"] = ibis.coalesce(value, _integer(read.least))
    if plan.sign is not None:
        below = _render(plan.sign, inputs, wide=plan.wide) < _number(0, wide=plan.wide)
        refusals.append((below, "negative_reduction"))
    refusal = ibis.cases(
        *((test, _integer(REASONS.index(reason) + 1)) for test, reason in refusals), else_=_integer(0)
    )
    over, under = (_render(each, inputs, wide=plan.wide) for each in (plan.over, plan.under))
    if (plan.under.low, plan.under.high) == (1, 1):
        value = over.cast(NARROW)
    else:
        value = (_divide_wide if plan.wide else _divide)(over, under)
    return Amount(refusal, value, _shared(table, value, plan))


_Refusal = tuple[ir.BooleanValue, str]


def _of_reports(table: ir.Table, plan: Plan) -> Iterator[_Refusal]:
    """What is refused before anything is computed."""
    if plan.report_within_days is not None:
        yield table["late_days"] > plan.report_within_days, "reported_late"
    if plan.kind == "refused":
        yield table["kind"].notnull(), "unknown_kind"


def _of_inputs(table: ir.Table, plan: Plan, inputs: Mapping[str, ir.IntegerValue]) -> Iterator[_Refusal]:
    for item in plan.inputs:
        column = table[item.name]
        if item.required:
            yield column.isnull(), "missing_input"
        yield column.notnull() & ((column < item.min) | (column > item.max)), "input_out_of_range"
    for check in plan.checks:
        present = [table[name].notnull() for name in check.inputs]
        over = _render(check.more, inputs, wide=plan.wide) > _render(check.less, inputs, wide=plan.wide)
        yield reduce(operator.and_, present) & over, check.reason


def _of_kinds(table: ir.Table, plan: Plan) -> Iterator[_Refusal]:
    if plan.kind == "needed":
        yield table["kind"].isnull(), "missing_input"
        if plan.kinds is not None:
            known = [table["kind"] == kind for kind in plan.kinds]
            yield ~reduce(operator.or_, known, ibis.literal(value=False)), "unknown_kind"


def _shared(table: ir.Table, value: ir.IntegerValue, plan: Plan) -> ir.IntegerValue:
    """What the evidence earns of an amount, rounded down."""
    percent = plan.share_percent
    if percent is None:
        return value
    if most_mg(plan) * percent <= MAX_64:
        part = _divide(value * percent, _integer(100))
    else:
        part = _divide_wide(value.cast(WIDE) * _number(percent, wide=True), _number(100, wide=True))
    return ibis.ifelse(table["evidence"] == EVIDENCE.index("self_report"), part, value)


def most_mg(plan: Plan) -> int:
    """The most mg that a formula can give."""
    return -(-plan.over.high // max(plan.under.low, 1))


def _clamped(column: ir.IntegerValue, item: Input) -> ir.IntegerValue:
    """The input where it is within its bounds, else its lower bound: engines may compute what is refused, too."""
    inside = column.notnull() & (column >= item.min) & (column <= item.max)
    return ibis.ifelse(inside, column, _integer(item.min))


def _looked_up(table: ir.Table, read: Read) -> ir.IntegerValue:
    """The value of a table for the place, time and kind of each act, null where it has none."""
    columns = {
        "province": _divide(table["region"], _integer(10_000)) * 10_000,
        "year": table["year"],
        "month": table["month"] % 100,
        "kind": table["kind"],
    }
    tests = [
        (
            reduce(operator.and_, (columns[key] == part for key, part in zip(read.keys, parts, strict=True))),
            value,
        )
        for parts, value in read.rows
    ]
    missing = ibis.null("int64") if read.default is None else _integer(read.default)
    return (
        ibis.cases(*((test, _integer(value)) for test, value in tests), else_=missing) if tests else missing
    )


def _integer(value: int) -> ir.IntegerScalar:
    return ibis.literal(value, type=NARROW)


def _number(value: int, *, wide: bool) -> ir.NumericScalar:
    return ibis.literal(Decimal(value), type=WIDE) if wide else _integer(value)


def _render(whole: Whole, inputs: Mapping[str, ir.IntegerValue], *, wide: bool) -> ir.NumericValue:
    if whole.kind == "number":
        return _number(whole.low, wide=wide)
    if whole.kind == "input":
        return inputs[whole.name].cast(WIDE) if wide else inputs[whole.name]
    if whole.test is not None:
        then, otherwise = (_render(part, inputs, wide=wide) for part in whole.parts)
        return ibis.ifelse(_tested(whole.test, inputs, wide=wide), then, otherwise)
    left, right = (_render(part, inputs, wide=wide) for part in whole.parts)
    if whole.kind == "add":
        return left + right
    if whole.kind == "times":
        return left * right
    return ibis.least(left, right) if whole.kind == "least" else ibis.greatest(left, right)


_ORDERS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def _tested(test: Test, inputs: Mapping[str, ir.IntegerValue], *, wide: bool) -> ir.BooleanValue:
    match test:
        case Compared():
            left, right = (_render(each, inputs, wide=wide) for each in (test.left, test.right))
            return _ORDERS[test.order](left, right)
        case Joined():
            joined = operator.and_ if test.every else operator.or_
            return reduce(joined, (_tested(part, inputs, wide=wide) for part in test.parts))
        case Inverted():
            return ~_tested(test.part, inputs, wide=wide)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the comparison: one methodology, or several that rows choose from by `version`."""

    name: str
    plans: tuple[Plan, ...]
    caps: tuple[CapRule, ...]

    @property
    def shares(self) -> bool:
        """Whether self-reports earn a share only, so that what is computed and what is earned differ."""
        return any(plan.share_percent is not None for plan in self.plans)


def side_of(name: str, methodologies: Sequence[Methodology], engine: str, kinds: Sequence[str]) -> Side:
    """Plan one side; raises `EngineRefused` also where caps changed in the period."""
    if len(methodologies) > MOST_VERSIONS:
        raise EngineRefused(
            engine, "versions", f"多于 {MOST_VERSIONS} 个版本", f"more than {MOST_VERSIONS} versions"
        )
    caps = {cap_rules(each) for each in methodologies}
    if len(caps) > 1:
        raise EngineRefused(
            engine,
            "caps",
            "期间内各版本的上限不同",
            "the versions that decided the acts have different caps",
        )
    ordered = sorted(next(iter(caps), ()), key=lambda cap: _LEVELS.index(cap.per))
    return Side(name, tuple(plan_of(each, engine, kinds) for each in methodologies), tuple(ordered))


def with_amounts(table: ir.Table, side: Side) -> ir.Table:
    """Add what the text says: `<side>_refusal`, and 0 where refused `<side>_quantified` and `<side>_full`.

    Where nothing is shared the two are one, and `<side>_quantified` is left out.
    """
    amounts = [amount_of(table, plan) for plan in side.plans]
    wanted = {"full": [each.full_mg for each in amounts]}
    if side.shares:
        wanted["quantified"] = [each.quantified_mg for each in amounts]
    refusal = f"{side.name}_refusal"
    added = table.mutate(
        **{refusal: _chosen(table, [each.refusal for each in amounts])},
        **{f"{side.name}_{name}_value": _chosen(table, values) for name, values in wanted.items()},
    )
    kept = {
        f"{side.name}_{name}": ibis.ifelse(
            added[refusal] == 0, added[f"{side.name}_{name}_value"], _integer(0)
        )
        for name in wanted
    }
    return added.mutate(**kept).drop(*(f"{side.name}_{name}_value" for name in wanted))


def _chosen(table: ir.Table, values: Sequence[ir.IntegerValue]) -> ir.IntegerValue:
    if not values:
        return _integer(0)
    first, *others = values
    if not others:
        return first
    return ibis.cases(
        *((table["version"] == place, value) for place, value in enumerate(others, 1)), else_=first
    )


def with_caps(table: ir.Table, side: Side) -> ir.Table:
    """Add what the caps leave: `<side>_mg`, `<side>_alive` (1 unless refused or nothing was left), `<side>_cap`.

    Cap by cap, from days to years. It comes to the same as the crediting's way, act by act over all caps at once:
    windows lie in each other, and a cap that was reached lets nothing more pass until its window ends.

    `<side>_cap` is the number of the cap that held the act back, 0 for none: of those used up the last in this
    order, else the one that left least. That is the same both ways, too. Here a cap may look used up that the
    crediting would not have used up, but only for acts that a later cap has nothing left for.
    """
    mg, alive, held = (f"{side.name}_{name}" for name in ("mg", "alive", "cap"))
    table = table.mutate(
        **{
            mg: table[f"{side.name}_full"],
            alive: ibis.ifelse(table[f"{side.name}_refusal"] == 0, _integer(1), _integer(0)),
            held: _integer(0),
        }
    )
    for number, cap in enumerate(side.caps, 1):
        window = ibis.window(
            group_by=["holder", cap.per],
            order_by="act",
            preceding=None,
            following=0,
        )
        if cap.counted:
            taken = table[alive].sum().over(window).cast(NARROW)
            left = _integer(cap.limit) - (taken - table[alive])
        else:
            taken = table[mg].sum().over(window).cast(NARROW)
            left = _integer(cap.limit) - (taken - table[mg])
        table = table.mutate(cap_left=left)
        passes = (table[alive] == 1) & (table["cap_left"] > 0)
        amount = table[mg] if cap.counted else ibis.least(table[mg], table["cap_left"])
        short = table["cap_left"] <= 0
        if not cap.counted:
            short |= table[mg] > table["cap_left"]
        held_back = (table[f"{side.name}_refusal"] == 0) & short
        table = table.mutate(
            **{
                mg: ibis.ifelse(passes, amount, _integer(0)),
                alive: ibis.ifelse(passes, _integer(1), _integer(0)),
                held: ibis.ifelse(held_back, _integer(number), table[held]),
            }
        ).drop("cap_left")
    return table


def with_points(
    table: ir.Table, side: Side, scene: str, programmes: Sequence[Programme], engine: str
) -> ir.Table:
    """Add `<side>_points` as the programmes reckon them, and `<side>_capped`, 1 where a cap touched the act."""
    amounts = (table[f"{side.name}_mg"], table[f"{side.name}_{'quantified' if side.shares else 'full'}"])
    most = max(map(most_mg, side.plans), default=0)
    earned = [_points(table, programme, scene, amounts, most, engine) for programme in programmes]
    chosen = (
        ibis.cases(
            *((table["programme"] == place, value) for place, value in enumerate(earned)), else_=_integer(0)
        )
        if earned
        else _integer(0)
    )
    alive = table[f"{side.name}_alive"] == 1
    touched = table[f"{side.name}_cap"] > 0
    return table.mutate(
        **{
            f"{side.name}_points": ibis.ifelse(alive, chosen, _integer(0)),
            f"{side.name}_capped": ibis.ifelse(touched, _integer(1), _integer(0)),
        }
    )


def _points(
    table: ir.Table,
    programme: Programme,
    scene: str,
    amounts: tuple[ir.IntegerValue, ir.IntegerValue],
    most_mg: int,
    engine: str,
) -> ir.IntegerValue:
    credited, full = amounts  # of the whole amount computed, whatever the evidence earns of it
    rule = programme.scenes.get(scene)
    if rule is None:
        most = programme.points_per_g * most_mg
        _check_points(most, engine)
        if most <= MAX_64:
            return _divide(credited * programme.points_per_g, _integer(1000))
        return _divide_wide(
            credited.cast(WIDE) * _number(programme.points_per_g, wide=True), _number(1000, wide=True)
        )
    amount: ir.IntegerValue = _integer(1)
    if rule.of != "act":
        amount = ibis.coalesce(table[rule.of], _integer(0)) if rule.of in table.columns else _integer(0)
    _check_points(rule.points * _MAX_INPUT * max(most_mg, 1), engine)
    _check_points(rule.per * max(most_mg, 1), engine)
    share = ibis.ifelse(full > 0, credited, _integer(1)).cast(WIDE)
    whole = ibis.ifelse(full > 0, full, _integer(1)).cast(WIDE)
    over = amount.cast(WIDE) * _number(rule.points, wide=True) * share
    return _divide_wide(over, whole * _number(rule.per, wide=True))


def _check_points(most: int, engine: str) -> None:
    if most > MAX_128:
        raise EngineRefused(
            engine,
            "points",
            "积分的中间结果超出 DECIMAL(38,0)",
            "a step of the points is more than DECIMAL(38,0) holds",
        )
