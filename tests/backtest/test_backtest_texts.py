"""Random texts with kinds, shares, ladders, caps, report windows and rounding ties: every engine as the row engine."""

import datetime as dt
from typing import Any

import pytest
from backtest.made import PER_G, act, cap, export_of, methodology
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backtest import engines, rows
from app.backtest.formula import plan_of
from methodologies import Methodology

FIRST = dt.date(2026, 1, 10)
KINDS = ["bus", "ferry", "tram"]
TESTED = {"source": "test", "confidence": "example"}
PER_METRE = {**PER_G, "scenes": {"trip.metro": {"points": 7, "per": 3, "of": "distance_m"}}}


def table(rows_: list[tuple[list[Any], str]], keys: list[str], default: str | None) -> dict[str, Any]:
    return {
        "name": "factor",
        "unit": "gCO2e/km",
        "keys": keys,
        "rows": [{"key": key, "value": value} for key, value in rows_],
        "default": default,
        **TESTED,
    }


# Halves of a mg come up often: a metre at an odd multiple of 0.5 g/km.
VALUES = st.integers(0, 400).map(lambda halves: f"{halves // 2}.{5 * (halves % 2)}")
KEYS = {
    ("kind",): st.sampled_from([[kind] for kind in [*KINDS, "horse"]]),
    ("province", "kind"): st.tuples(st.sampled_from(["440000", "110000"]), st.sampled_from(KINDS)).map(list),
    ("kind", "month"): st.tuples(st.sampled_from(KINDS), st.sampled_from([1, 2])).map(list),
    ("year",): st.sampled_from([[2026], [2025]]),
}


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    keys = draw(st.sampled_from(sorted(KEYS)))
    found = draw(
        st.lists(st.tuples(KEYS[keys], VALUES), min_size=1, max_size=5, unique_by=lambda r: str(r[0]))
    )
    return table(found, list(keys), draw(st.none() | VALUES))


@st.composite
def ladders(draw: st.DrawFn) -> dict[str, Any]:
    starts = sorted(draw(st.sets(st.integers(1, 30), max_size=3)))
    bounds = ["0", *(f"{start / 10:.1f}" for start in starts)]
    values = [draw(st.sampled_from(["0", "0.25", "0.5", "1", "1.3333"])) for _ in bounds]
    ranges = [
        {"from": first, **({} if last is None else {"to": last}), "value": value}
        for first, last, value in zip(bounds, [*bounds[1:], None], values, strict=True)
    ]
    return {"name": "part", "unit_in": "km", "unit_out": "1", "rows": ranges, **TESTED}


LEVELS = st.sampled_from(["day", "month", "year"])
CAPS = st.lists(
    st.one_of(
        st.builds(lambda per, count: cap(per, count=count), LEVELS, st.integers(1, 4)),
        st.builds(lambda per, mg: cap(per, amount_mg=mg), LEVELS, st.integers(1, 400_000)),
        st.builds(
            lambda per, mg: cap(per, amount_mg=mg, id_=f"other_{per}"), LEVELS, st.integers(1, 400_000)
        ),
    ),
    max_size=4,
    unique_by=lambda each: each["id"],
)


@st.composite
def texts(draw: st.DrawFn, version: str, caps: list[dict[str, Any]] | None = None) -> Methodology:
    kind_tables = draw(tables())
    over: dict[str, Any] = {
        "version": version,
        "tables": [kind_tables],
        "rounding": {"mode": draw(st.sampled_from(["floor", "half_up"]))},
        "caps": draw(CAPS) if caps is None else caps,
        "report_within_days": draw(st.none() | st.integers(1, 6)),
    }
    if (percent := draw(st.none() | st.integers(1, 100))) is not None:
        over["self_report"] = {"share_percent": percent, "source": "test"}
    if "kind" not in kind_tables["keys"] or kind_tables["default"] is not None:
        over["kinds"] = draw(st.lists(st.sampled_from([*KINDS, "sleigh"]), unique=True, max_size=3))
    keys = ", ".join(kind_tables["keys"])
    formula = f"distance_m * factor[{keys}]"
    if draw(st.booleans()):
        over["steps"] = [draw(ladders())]
        formula += " * steps(distance_m, part)"
    return methodology(formula, **over)


ACTS = st.lists(
    st.fixed_dictionaries(
        {
            "holder": st.integers(1, 3),
            "day": st.integers(-9, 45),
            "region": st.sampled_from([440303, 440304]),
            "version": st.integers(0, 1),
            "programme": st.integers(0, 1),
            "distance_m": st.integers(0, 3500),
            "kind": st.none() | st.integers(0, len(KINDS) - 1),
            "evidence": st.integers(0, 1),
            "late_days": st.integers(0, 8),
        }
    ),
    max_size=40,
)


@st.composite
def exports(draw: st.DrawFn) -> tuple[list[Methodology], Methodology, list[dict[str, Any]]]:
    first = draw(texts("1"))
    caps = [each.model_dump() for each in first.text.caps]
    return [first, draw(texts("2", caps))], draw(texts("3")), draw(ACTS)


@settings(max_examples=60, deadline=None)
@given(made=exports())
def test_random_texts_equal_the_row_engine(tmp_path_factory, made):
    versions, after, drawn = made
    acts = [
        act(each.pop("holder"), FIRST + dt.timedelta(days=each.pop("day")), **each)
        for each in sorted(drawn, key=lambda one: (one["holder"], one["day"]))
    ]
    export = export_of(
        tmp_path_factory.mktemp("texts"),
        acts,
        versions,
        first=FIRST,
        last=dt.date(2026, 3, 1),
        programmes=[PER_G, PER_METRE],
        kinds=KINDS,
    )
    for before in (None, after):
        asked = (export, before, after if before is None else versions[0])
        found = engines.find("duckdb", *asked)
        assert found == rows.find(*asked)
        assert sum(each.before for each in found.caps) == found.total.before_capped
        assert sum(each.after for each in found.caps) == found.total.after_capped
        assert sum(each.newly for each in found.caps) == found.total.newly_capped


def kinds_text(**over: Any) -> Methodology:
    rows_ = [(["bus"], "100"), (["tram"], "40.5")]
    return methodology("distance_m * factor[kind]", tables=[table(rows_, ["kind"], None)], **over)


def test_kinds_shares_and_windows_by_hand(tmp_path):
    """Written out, so that the row engine is not the only witness."""
    acts = [
        act(1, FIRST, kind=0, distance_m=101),  # 10,100 mg
        act(1, FIRST, kind=0, distance_m=101, evidence=1, late_days=3),  # a third: 3,333
        act(1, FIRST, kind=2, distance_m=101),  # 4,090.5, a tie: 4,091
        act(1, FIRST, kind=1, distance_m=101),  # a ferry: no value
        act(1, FIRST, distance_m=101),  # no kind
        act(2, FIRST, kind=0, distance_m=101, late_days=4),  # too late
    ]
    after = kinds_text(
        self_report={"share_percent": 33, "source": "test"},
        report_within_days=3,
        rounding={"mode": "half_up"},
    )
    before = methodology("distance_m * factor[year]", tables=[table([([2026], "1")], ["year"], None)])
    export = export_of(tmp_path, acts, [before], first=FIRST, last=FIRST, kinds=KINDS)
    found = engines.find("duckdb", export, None, after)
    assert found == rows.find(export, None, after)
    assert found.total.after_mg == 10_100 + 3_333 + 4_091
    # A text that knows no kinds refuses acts that name one.
    assert found.total.before_mg == 101
    assert {(each.reason, each.before, each.after) for each in found.refused} == {
        ("reported_late", 0, 1),
        ("missing_input", 0, 1),
        ("unknown_kind", 5, 0),
        ("no_table_value", 0, 1),
    }


def test_points_of_a_share_are_the_share_of_the_points(tmp_path):
    """7 points for 3 m, of which half the amount earns half."""
    acts = [act(1, FIRST, kind=0, distance_m=300, evidence=evidence) for evidence in (0, 1)]
    after = kinds_text(self_report={"share_percent": 50, "source": "test"})
    export = export_of(tmp_path, acts, [after], first=FIRST, last=FIRST, kinds=KINDS, programmes=[PER_METRE])
    found = engines.find("duckdb", export, None, after)
    assert found == rows.find(export, None, after)
    assert (found.total.after_mg, found.total.after_points) == (30_000 + 15_000, 700 + 350)


def test_a_share_of_more_than_64_bits(tmp_path):
    """The product with the percentage passes 64 bits, the quotient does not."""
    huge = 10**12
    after = methodology(
        "energy_wh * factor",
        inputs=[{"name": "energy_wh", "unit": "Wh", "min": 1, "max": huge}],
        parameters=[{"name": "factor", "value": "900.7", "unit": "gCO2e/Wh", **TESTED}],
        self_report={"share_percent": 99, "source": "test"},
    )
    export = export_of(
        tmp_path, [act(1, FIRST, energy_wh=huge - 7, evidence=1)], [after], first=FIRST, last=FIRST
    )
    found = engines.find("duckdb", export, None, after)
    assert found == rows.find(export, None, after)
    assert found.total.after_mg == (huge - 7) * 900_700 * 99 // 100


def test_which_cap_held_an_act_back(tmp_path):
    """The longest of the caps that are used up; where none is, the one that left least."""
    caps = [
        cap("day", amount_mg=500, id_="day"),
        cap("month", amount_mg=900, id_="month"),
        cap("year", count=4, id_="year"),
    ]
    after = methodology(
        "distance_m * factor[year]", version="2", caps=caps, tables=[table([([2026], "1")], ["year"], None)]
    )
    before = methodology("distance_m * factor[year]", tables=[table([([2026], "1")], ["year"], None)])
    metres = [
        (0, 400),  # whole
        (0, 400),  # the day leaves 100
        (0, 400),  # the day is used up
        (1, 500),  # the month leaves 400 of 500
        (2, 1),  # the month is used up
        (31, 500),  # the next month, whole, the fourth of the year
        (31, 10),  # the day is used up, and so is the year
    ]
    acts = [act(1, FIRST + dt.timedelta(days=day), distance_m=m) for day, m in metres]
    export = export_of(tmp_path, acts, [before], first=FIRST, last=dt.date(2026, 3, 1))
    found = engines.find("duckdb", export, None, after)
    assert found == rows.find(export, None, after)
    told = {each.key.rpartition("/")[2]: (each.before, each.after, each.newly) for each in found.caps}
    assert {each.holders for each in found.caps} == {1}
    assert told == {
        "day": (0, 2, 2),
        "month": (0, 2, 2),
        "year": (0, 1, 1),
    }


def test_kinds_are_numbers_of_the_export():
    plan = plan_of(kinds_text(), "duckdb", ["tram", "ferry"])
    assert [parts for parts, _ in plan.tables[0].rows] == [(0,)]
    assert plan.kind == "needed"


@pytest.mark.parametrize(("kinds", "kind"), [((), "ignored"), (("bus",), "refused")])
def test_a_text_without_kinds(kinds, kind):
    plain = methodology("distance_m * factor[year]", tables=[table([([2026], "1")], ["year"], None)])
    assert plan_of(plain, "duckdb", kinds).kind == kind
