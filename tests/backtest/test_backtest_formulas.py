"""What an engine computes is what the row engine computes, to the mg, or it is refused."""

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import pytest
from backtest.made import act, cap, export_of, methodology, metro, parameter, table_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.backtest import engines, rows
from app.backtest.acts import INPUTS, inputs_of
from app.backtest.columns import amount_of, quantified
from app.backtest.errors import EngineRefused
from app.backtest.formula import MAX_64, REASONS, plan_of
from methodologies import FormulaError, Methodology, Refused

DAY = dt.date(2026, 3, 2)

# Values in gCO2e and plain numbers, so that every random formula has the unit it must have.
ATOMS = {
    "distance_m": ("p_m", "gCO2e/m"),
    "duration_s": ("p_s", "gCO2e/s"),
    "energy_wh": ("p_wh", "gCO2e/kWh"),
}
BOUNDS = {"distance_m": (1, 1000), "duration_s": (0, 10**6), "energy_wh": (5, 10**9)}


def grams() -> st.SearchStrategy[str]:
    atom = st.sampled_from([f"{name} * {ATOMS[name][0]}" for name in ATOMS])
    number = st.tuples(st.integers(0, 10**6), st.text("0123456789", max_size=5)).map(
        lambda parts: f"{parts[0]}.{parts[1]}" if parts[1] else str(parts[0])
    )
    ratio = st.deferred(
        lambda: (
            number
            | st.tuples(value, value).map(lambda both: f"(({both[0]}) / ({both[1]}))")
            | st.tuples(ratio, st.sampled_from("+*-"), ratio).map(
                lambda all_: f"({all_[0]} {all_[1]} {all_[2]})"
            )
        )
    )
    test = st.deferred(
        lambda: st.tuples(value, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), value).map(
            lambda all_: f"({all_[0]}) {all_[1]} ({all_[2]})"
        )
    )
    tests = st.one_of(
        test,
        test.map(lambda one: f"not ({one})"),
        st.tuples(test, st.sampled_from(["and", "or"]), test).map(lambda a: f"({a[0]}) {a[1]} ({a[2]})"),
    )
    value = st.deferred(
        lambda: (
            atom
            | st.tuples(value, st.sampled_from("+-"), value).map(
                lambda all_: f"({all_[0]} {all_[1]} {all_[2]})"
            )
            | st.tuples(st.sampled_from(["min", "max"]), value, value).map(
                lambda a: f"{a[0]}({a[1]}, {a[2]})"
            )
            | st.tuples(value, value, value).map(lambda all_: f"clip({', '.join(all_)})")
            | st.tuples(value, st.sampled_from("*/"), ratio).map(
                lambda all_: f"({all_[0]} {all_[1]} {all_[2]})"
            )
            | value.map(lambda one: f"(-({one}))")
            | choice
        )
    )
    choice = st.tuples(value, tests, value).map(lambda all_: f"(({all_[0]}) if {all_[1]} else ({all_[2]}))")
    return value


def choices() -> st.SearchStrategy[str]:
    """Conditionals of short parts, so that few are refused for their length or size."""
    atom = st.sampled_from([f"{name} * {ATOMS[name][0]}" for name in ATOMS])
    part = st.one_of(
        atom,
        st.tuples(atom, st.sampled_from("*/"), st.integers(1, 9999)).map(lambda a: f"{a[0]} {a[1]} {a[2]}"),
        st.tuples(atom, st.sampled_from("+-"), atom).map(" ".join),
    )
    test = st.tuples(part, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), part).map(" ".join)
    tests = st.one_of(
        test,
        test.map(lambda one: f"not {one}"),
        st.tuples(test, st.sampled_from(["and", "or"]), test).map(" ".join),
    )
    choice = st.tuples(part, tests, part).map(lambda a: f"({a[0]} if {a[1]} else {a[2]})")
    return st.one_of(
        choice,
        st.tuples(choice, st.sampled_from("+-"), part).map(" ".join),
        st.tuples(choice, tests, choice).map(lambda a: f"{a[0]} if {a[1]} else {a[2]}"),
    )


VALUES = st.one_of(st.none(), st.integers(0, 20), st.integers(0, 10**6), st.integers(0, 10**10))
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys(ATOMS, VALUES)), min_size=1, max_size=20)
INSIDE = st.lists(
    st.fixed_dictionaries({name: st.integers(*BOUNDS[name]) for name in ATOMS}), min_size=10, max_size=30
)


def made(formula: str, mode: str) -> Methodology:
    used = [(name, *ATOMS[name]) for name in ATOMS if re.search(rf"\b{ATOMS[name][0]}\b", formula)]
    values = {"p_m": "0.0467", "p_s": "3", "p_wh": "581.0001"}
    return methodology(
        formula,
        inputs=[
            {
                "name": name,
                "unit": {"distance_m": "m", "duration_s": "s", "energy_wh": "Wh"}[name],
                "min": low,
                "max": high,
            }
            for name, (low, high) in BOUNDS.items()
        ],
        parameters=[parameter(name, values[name], unit) for _, name, unit in used],
        rounding={"mode": mode},
        plausibility={"max_speed_kmh": 300, "min_duration_s": 1, "max_distance_m": 990, "source": "test"},
    )


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with engines.duckdb_engine(tmp_path_factory.mktemp("scratch")) as connection:
        yield connection


def computed(connection: Any, asked: Methodology, acts: list[dict[str, Any]]) -> list[tuple[str | None, int]]:
    """(reason, mg) of each act, as the engine says."""
    name = "acts_of_a_test"
    connection.create_table(name, table_of(acts), overwrite=True)
    table = connection.table(name)
    amount = quantified(table, asked, "duckdb")
    found = (
        table.select("act", refusal=amount.refusal, mg=amount.full_mg)
        .order_by("act")
        .to_pyarrow()
        .to_pylist()
    )
    return [(REASONS[row["refusal"] - 1], 0) if row["refusal"] else (None, row["mg"]) for row in found]


def wanted(asked: Methodology, one: dict[str, Any]) -> tuple[str | None, int]:
    try:
        return None, asked.quantify(inputs_of({**dict.fromkeys(("kind", *INPUTS)), **one}, ()))
    except Refused as refused:
        return refused.code, 0


def compare(duckdb, formula, mode, anywhere, inside):
    assume(len(formula) <= 500)
    try:
        asked = made(formula, mode)
    except FormulaError as refused:
        assume(not refused)  # the text itself is refused: nothing to compute
        return
    acts = [act(1, DAY, **each) for each in [*anywhere, *inside]]
    try:
        found = computed(duckdb, asked, acts)
    except EngineRefused as refused:
        assert "DECIMAL(38,0)" in refused.message_en  # noqa: PT017
        return
    assert found == [wanted(asked, each) for each in acts]


MODES = st.sampled_from(["floor", "half_up"])


@settings(max_examples=100, deadline=None)
@given(grams(), MODES, ROWS, INSIDE)
def test_random_formulas_equal_the_row_engine(duckdb, formula, mode, anywhere, inside):
    compare(duckdb, formula, mode, anywhere, inside)


@settings(max_examples=50, deadline=None)
@given(choices(), MODES, ROWS, INSIDE)
def test_random_conditionals_equal_the_row_engine(duckdb, formula, mode, anywhere, inside):
    compare(duckdb, formula, mode, anywhere, inside)


def test_ties_round_up_and_nothing_else_does(duckdb):
    # 0.0005 g/m is half a mg a metre.
    for mode, mg in (("half_up", [1, 1, 2, 2]), ("floor", [0, 1, 1, 2])):
        asked = metro("0.5", rounding={"mode": mode})
        found = computed(duckdb, asked, [act(1, DAY, distance_m=metres) for metres in (1, 2, 3, 4)])
        assert found == [(None, each) for each in mg]


def test_more_than_a_double_holds(duckdb):
    """64-bit doubles would be off: this quotient has 19 digits, and its numerator 34."""
    asked = methodology(
        "energy_wh * factor * energy_wh / base",
        inputs=[{"name": "energy_wh", "unit": "Wh", "min": 1, "max": 10**12}],
        parameters=[parameter("factor", "7.000000000003", "gCO2e/Wh"), parameter("base", "999983", "kWh")],
        rounding={"mode": "half_up"},
    )
    assert plan_of(asked, "duckdb").wide
    acts = [act(1, DAY, energy_wh=10**12 - each) for each in (1, 7, 12_345, 999_999_999)]
    found = computed(duckdb, asked, acts)
    assert found == [wanted(asked, each) for each in acts]
    doubles = [int(each["energy_wh"] ** 2 * 7.000000000003 / 999_983_000 * 1000 + 0.5) for each in acts]
    assert all(mg != double for (_, mg), double in zip(found, doubles, strict=True))


def test_what_128_bits_do_not_hold_is_refused_before_anything_runs():
    asked = methodology(
        "energy_wh * factor * (energy_wh / base) * (energy_wh / base)",
        inputs=[{"name": "energy_wh", "unit": "Wh", "min": 1, "max": 10**12}],
        parameters=[
            parameter("factor", "0.123456789011", "gCO2e/Wh"),
            parameter("base", "999999999.999999", "kWh"),
        ],
    )
    with pytest.raises(EngineRefused, match="DECIMAL") as refused:
        plan_of(asked, "duckdb")
    assert "--engine rows" in refused.value.message_en
    assert "duckdb" in refused.value.message_zh
    assert asked.quantify({"energy_wh": 10**12}) > 0


def test_an_unknown_node_is_refused_by_name():
    @dataclasses.dataclass(frozen=True)
    class Logarithm:
        operand: object

    asked = metro()
    asked.plan = dataclasses.replace(asked.plan, tree=Logarithm(asked.plan.tree))
    with pytest.raises(EngineRefused, match="Logarithm") as refused:
        plan_of(asked, "spark")
    assert refused.value.engine == "spark"
    assert refused.value.node == "Logarithm"
    assert "Logarithm" in refused.value.message_zh


def test_tables_and_steps(duckdb):
    asked = methodology(
        "distance_m * factor[province, year] * steps(distance_m, share)",
        parameters=[],
        tables=[
            {
                "name": "factor",
                "unit": "gCO2e/pkm",
                "keys": ["province", "year"],
                "rows": [
                    {"key": ["440000", 2025], "value": "40.5"},
                    {"key": ["440000", 2026], "value": "39.123"},
                    {"key": ["110000", 2024], "value": "1"},
                ],
                "source": "test",
                "confidence": "example",
            }
        ],
        steps=[
            {
                "name": "share",
                "unit_in": "km",
                "unit_out": "1",
                "rows": [
                    {"from": "0", "to": "2.5", "value": "1"},
                    {"from": "2.5", "to": "10", "value": "0.5"},
                    {"from": "10", "value": "0.125"},
                ],
                "source": "test",
                "confidence": "example",
            }
        ],
    )
    days = (dt.date(2024, 1, 1), dt.date(2025, 1, 1), dt.date(2026, 12, 31))
    acts = [
        act(1, day, distance_m=metres) for day in days for metres in (1, 2499, 2500, 9999, 10_000, 150_001)
    ]
    found = computed(duckdb, asked, acts)
    assert found == [wanted(asked, each) for each in acts]
    assert {reason for reason, _ in found} == {None, "no_table_value"}
    assert len(plan_of(asked, "duckdb").tables[0].rows) == 2


def test_narrow_where_it_fits():
    assert not plan_of(metro(), "duckdb").wide
    assert plan_of(metro(), "duckdb").over.high <= MAX_64


LEVELS = st.sampled_from(["day", "month", "year"])
CAPS = st.lists(
    st.one_of(
        st.builds(lambda per, count: cap(per, count=count), LEVELS, st.integers(1, 6)),
        st.builds(lambda per, mg: cap(per, amount_mg=mg), LEVELS, st.integers(1, 60_000)),
    ),
    max_size=4,
    unique_by=lambda each: each["id"],
)
ACTS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(0, 45),
        st.integers(0, 1000),
        st.sampled_from([440303, 440304]),
        st.integers(0, 1),
    ),
    max_size=40,
)
PER_ACT = {
    "region": "440303",
    "name": {"zh": "按次", "en": "By act"},
    "from": "2016-01-01",
    "points_per_g": 1,
    "expiry_months": 24,
    "scenes": {"trip.metro": {"points": 7, "per": 3, "of": "distance_m"}},
}


@settings(max_examples=20, deadline=None)
@given(before=CAPS, after=CAPS, acts=ACTS)
def test_caps_and_points_equal_the_row_engine(tmp_path_factory, before, after, acts):
    first = dt.date(2026, 1, 10)
    ordered = sorted(acts, key=lambda each: each[:2])
    made_acts = [
        act(
            holder,
            first + dt.timedelta(days=offset - 9),
            region,
            programme=programme,
            distance_m=metres,
            duration_s=60,
        )
        for holder, offset, metres, region, programme in ordered
    ]
    one = metro("46.7", caps=before)
    two = metro(
        "43.37",
        version="2",
        rounding={"mode": "half_up"},
        caps=after,
        plausibility={"max_speed_kmh": 50, "source": "t"},
    )
    folder = tmp_path_factory.mktemp("caps")
    export = export_of(
        folder,
        made_acts,
        [one],
        first=first,
        last=dt.date(2026, 3, 1),
        programmes=[{**PER_ACT, "scenes": {}}, PER_ACT],
    )
    assert engines.find("duckdb", export, None, two) == rows.find(export, None, two)
    assert engines.find("duckdb", export, two, one) == rows.find(export, two, one)


def test_versions_that_changed_in_the_period(tmp_path: Path):
    first = dt.date(2026, 1, 1)
    old, new = metro("46.7"), metro("40", version="2")
    acts = [
        act(1, first + dt.timedelta(days=day), version=day % 2, distance_m=1000 + day) for day in range(10)
    ]
    export = export_of(tmp_path, acts, [old, new], first=first, last=dt.date(2026, 1, 31))
    after = metro("41", version="3")
    found = engines.find("duckdb", export, None, after)
    assert found == rows.find(export, None, after)
    assert found.total.before_mg == sum(
        (467 * (1000 + day) // 10 if day % 2 == 0 else 40 * (1000 + day)) for day in range(10)
    )
    capped = metro("40", version="2", caps=[cap("day", count=1)])
    export = export_of(tmp_path, acts, [old, capped], first=first, last=dt.date(2026, 1, 31))
    with pytest.raises(EngineRefused, match="different caps"):
        engines.find("duckdb", export, None, after)
    assert rows.find(export, None, after).total.before_mg == found.total.before_mg


def test_many_slices_equal_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = dt.date(2026, 1, 1)
    acts = [act(1 + place // 4, first, distance_m=1 + place) for place in range(90)]
    export = export_of(tmp_path, acts, [metro()], first=first, last=first)
    after = metro("50", version="2", caps=[cap("day", count=3)])
    whole = engines.find("duckdb", export, None, after)
    monkeypatch.setattr(engines, "ACTS_AT_ONCE", 20)
    assert len(engines._slices(export.manifest, "duckdb")) == 5
    assert engines.find("duckdb", export, None, after) == whole == rows.find(export, None, after)
    assert whole.total.newly_capped == 22
    assert (whole.holders, whole.holders_newly_capped) == (23, 22)


def test_an_empty_period(tmp_path: Path):
    export = export_of(tmp_path, [], [], first=DAY, last=DAY)
    found = engines.find("duckdb", export, None, metro())
    assert found == rows.find(export, None, metro())
    assert found.total.activities == 0


def test_ibis_has_no_exact_integer_division():
    """Why the engines bring their own; goes red when Ibis learns it."""
    table = ibis.table({"a": "int64", "b": "int64"}, name="t")
    assert "FLOOR" in ibis.to_sql(table.a // table.b, dialect="duckdb")
    plan = plan_of(metro("46.73"), "duckdb")
    columns = dict.fromkeys(("distance_m", "duration_s"), "int64")
    sql = str(ibis.to_sql(amount_of(ibis.table(columns, name="t"), plan).full_mg, dialect="duckdb"))
    assert "tanpuhui_quotient" in sql.lower()
    assert " / " not in sql
    assert "FLOOR" not in sql
    assert "DOUBLE" not in sql
