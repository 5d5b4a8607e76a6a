"""Whole texts with tables and steps: what they compute, and every fault with its exact place."""

import copy
import datetime as dt
import json
from fractions import Fraction

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from methodologies import PackError, Refused, load_catalogue, rebuild
from methodologies.checking import build, check
from methodologies.evaluation import evaluate

BASE = {
    "region": "440300",
    "scene": "charging.ev",
    "code": "TEST.charging",
    "version": "1",
    "title": {"zh": "测试", "en": "Test"},
    "authority": None,
    "document": {"title": "测试文本"},
    "filing_no": None,
    "in_force": {"from": "2024-01-01", "to": None},
    "status": "unverified",
    "confidence": "quoted",
    "inputs": [{"name": "energy_wh", "unit": "Wh", "min": 0, "max": 100_000}],
    "parameters": [
        {"name": "use", "value": "15", "unit": "kWh/(100 km)", "source": "来源", "confidence": "quoted"},
        {"name": "base", "value": "0.25", "unit": "kgCO2e/km", "source": "来源", "confidence": "quoted"},
    ],
    "tables": [
        {
            "name": "grid",
            "unit": "kgCO2e/kWh",
            "keys": ["province", "year"],
            "source": "公告",
            "confidence": "quoted",
            "covers": {"province": ["310000", "440000"], "year": [2024]},
            "rows": [
                {"key": ["310000", 2024], "value": "0.5737"},
                {
                    "key": ["440000", 2024],
                    "value": "0.4419",
                    "data_year": 2023,
                    "published": "2025-12-31",
                    "notice_no": "2025年第47号",
                    "source": "行内来源",
                },
            ],
        },
        {
            "name": "pile",
            "unit": "1",
            "keys": ["kind"],
            "source": "示例",
            "confidence": "quoted",
            "rows": [{"key": ["fast"], "value": "0.9"}, {"key": ["slow"], "value": "1"}],
        },
    ],
    "steps": [
        {
            "name": "share",
            "unit_in": "kWh",
            "unit_out": "1",
            "source": "分段来源",
            "confidence": "quoted",
            "rows": [
                {"from": "0", "to": "20", "value": "1"},
                {"from": "20", "to": "50", "value": "0.5"},
                {"from": "50", "value": "0.25", "source": "末段来源"},
            ],
        }
    ],
    "formula": "energy_wh / use * (base - use * grid[province, year]) * pile[kind] * steps(energy_wh, share)",
    "claims": [{"rule": "order", "of": "order_no", "period": "forever", "required": True}],
    "examples": [
        {
            "inputs": {"energy_wh": 15_000, "province": 440_000, "year": 2024, "kind": "slow"},
            "co2e_g": "18371.5",
            "basis": "15 kWh 行 100 km",
        }
    ],
}
GUANGDONG = {"province": 440_000, "year": 2024, "kind": "slow"}


@pytest.fixture
def base():
    return copy.deepcopy(BASE)


def put(*path, value):
    def change(text):
        *keys, last = path
        for key in keys:
            text = text[key]
        text[last] = value

    return change


def both(one, other):
    def change(text):
        one(text)
        other(text)

    return change


def drop(*path):
    def change(text):
        *keys, last = path
        for key in keys:
            text = text[key]
        del text[last]

    return change


def test_the_text_computes_by_place_kind_and_range(base):
    rule = build(base)
    assert rule.context == {"province", "year", "kind"}
    assert rule.quantify({"energy_wh": 15_000, **GUANGDONG}) == 18_371_500
    assert rule.quantify({"energy_wh": 15_000, **GUANGDONG, "province": 310_000}) == 16_394_500
    assert rule.quantify({"energy_wh": 15_000, **GUANGDONG, "kind": "fast"}) == 16_534_350
    # 1 kWh is worth 1,224,766.67 mg; from 20 and from 50 kWh a half and a quarter of it.
    below, at = (rule.quantify({"energy_wh": wh, **GUANGDONG}) for wh in (19_999, 20_000))
    assert (below, at) == (24_494_108, 12_247_666)
    assert rule.quantify({"energy_wh": 50_000, **GUANGDONG}) == 15_309_583


def test_a_stored_text_is_rebuilt_with_its_tables(base):
    rule = build(base)
    again = rebuild(rule.content)
    assert (again.content_hash, again.source) == (rule.content_hash, rule.source)
    assert json.loads(rule.content)["tables"][0]["rows"][1]["notice_no"] == "2025年第47号"
    assert check(json.loads(rule.content)) == []


@pytest.mark.parametrize(
    ("act", "code", "field"),
    [
        ({"province": 110_000}, "no_table_value", "grid"),
        ({"year": 2023}, "no_table_value", "grid"),
        ({"kind": "other"}, "no_table_value", "pile"),
        ({"kind": None}, "missing_input", "kind"),
        ({"year": None}, "missing_input", "year"),
        ({"year": 2024.0}, "input_out_of_range", "year"),
        ({"province": "440000"}, "input_out_of_range", "province"),
        ({"kind": 5}, "input_out_of_range", "kind"),
        ({"kind": ["slow"]}, "input_out_of_range", "kind"),
        ({"year": True}, "input_out_of_range", "year"),
    ],
)
def test_a_key_that_no_row_has_refuses_the_act(base, act, code, field):
    with pytest.raises(Refused) as refused:
        build(base).quantify({"energy_wh": 15_000, **GUANGDONG, **act})
    assert (refused.value.code, refused.value.field) == (code, field)


def test_a_default_counts_for_keys_that_no_row_has(base):
    base["tables"][1]["default"] = "0.8"
    rule = build(base)
    act = {"energy_wh": 15_000, **GUANGDONG, "kind": "other"}
    assert rule.quantify(act) == 14_697_200
    (_, told) = rule.explain(act).tables
    assert (told.key, told.value) == (None, "0.8")
    assert "default" in told.told.en
    assert "缺省" in told.told.zh


def test_declared_kinds_bound_the_kind_and_each_table_has_them_all(base):
    base["kinds"] = ["slow", "fast"]
    base["tables"][1]["default"] = "0.8"
    with pytest.raises(Refused, match="unknown_kind"):
        build(base).quantify({"energy_wh": 1, **GUANGDONG, "kind": "other"})
    del base["tables"][1]["default"]
    base["kinds"].append("pantograph")
    (found,) = check(base)
    assert found.pointer == "/kinds/2"
    assert "pantograph" in found.message_en


def test_the_explanation_shows_row_range_and_their_sources(base):
    act = {"energy_wh": 60_000, **GUANGDONG}
    told = build(base).explain(act)
    grid, pile = told.tables
    assert (grid.key, grid.value) == ({"province": "440000", "year": "2024"}, "0.4419")
    assert (grid.data_year, grid.published, grid.notice_no) == (2023, "2025-12-31", "2025年第47号")
    assert (grid.source, pile.source, pile.data_year) == ("行内来源", "示例", None)
    (step,) = [each for each in told.steps if each.told is not None]
    assert step.symbolic == "steps(energy_wh, share)"
    assert (step.value, step.source) == ("0.25", "末段来源")
    assert "50 kWh" in step.told.zh
    assert "from 50 kWh on" in step.told.en
    assert told.exact_mg == "18371500"
    assert told.co2e_mg == 18_371_500


@pytest.mark.parametrize(
    ("energy_wh", "branch", "word"), [(10_000, "use", "成立"), (10_001, "base", "不成立")]
)
def test_the_explanation_shows_the_branch_that_was_taken(base, energy_wh, branch, word):
    base["parameters"] = [
        {"name": name, "value": value, "unit": unit, "source": "来源", "confidence": "quoted"}
        for name, value, unit in [
            ("use", "1", "kgCO2e/kWh"),
            ("base", "2", "kgCO2e/kWh"),
            ("limit", "10", "kWh"),
        ]
    ]
    base |= {"tables": [], "steps": [], "formula": "energy_wh * (use if energy_wh <= limit else base)"}
    base["examples"] = [{"inputs": {"energy_wh": 1_000}, "co2e_g": "1000", "basis": "1 kWh"}]
    told = build(base).explain({"energy_wh": energy_wh})
    compared, chosen, _ = told.steps
    assert compared.numeric == f"{energy_wh} Wh ≤ 10 kWh"
    assert compared.value == ("true" if branch == "use" else "false")
    assert (chosen.symbolic, chosen.told.en.endswith(f"{branch} is taken")) == (
        "use if energy_wh ≤ limit else base",
        True,
    )
    assert word in chosen.told.zh
    assert told.formula == "energy_wh × (use if energy_wh ≤ limit else base)"


ROWS = ("tables", 0, "rows")
STEPS = ("steps", 0, "rows")


@pytest.mark.parametrize(
    ("change", "pointer", "word"),
    [
        (drop(*ROWS, 0), "/tables/0/covers/province/0", "310000, 2024"),  # a missing province
        (
            put("tables", 0, "covers", "year", value=[2024, 2025]),
            "/tables/0/covers/province/0",
            "310000, 2025",
        ),
        (put("tables", 0, "covers", "kind", value=["a"]), "/tables/0/covers/kind", "no key"),
        (put(*ROWS, 0, "key", value=["440000", 2024]), "/tables/0/rows/1/key", "twice"),
        (put(*ROWS, 0, "key", value=["310000"]), "/tables/0/rows/0/key", "2 keys"),
        (put(*ROWS, 0, "key", value=["310100", 2024]), "/tables/0/rows/0/key/0", "province"),
        (put(*ROWS, 0, "key", value=[310000, 2024]), "/tables/0/rows/0/key/0", "province"),
        (put(*ROWS, 0, "key", value=["310000", "2024"]), "/tables/0/rows/0/key/1", "year"),
        (put(*ROWS, 0, "key", 1, value=1999), "/tables/0/rows/0/key/1", "year"),
        (put(*ROWS, 0, "value", value=0.5737), "/tables/0/rows/0/value", "text"),
        (put("tables", 1, "rows", 0, "key", value=["Fast"]), "/tables/1/rows/0/key/0", "word"),
        (drop("tables", 1, "source"), "/tables/1/rows/0/source", "source"),
        (drop("tables", 1, "confidence"), "/tables/1/rows/0/confidence", "confidence"),
        (put("tables", 0, "unit", value="stone"), "/tables/0/unit", "stone"),
        (put("tables", 0, "unit", value="kgCO2e/km"), "/formula", "wanted"),
        (put(*STEPS, 1, "from", value="21"), "/steps/0/rows/1/from", "gap"),
        (put(*STEPS, 1, "from", value="19"), "/steps/0/rows/1/from", "overlap"),
        (put(*STEPS, 0, "to", value="0"), "/steps/0/rows/0/to", "ends before"),
        (drop(*STEPS, 0, "to"), "/steps/0/rows/0/to", "only the last"),
        (put(*STEPS, 2, "to", value="100"), "/steps/0/rows/2/to", "must be open"),
        (put(*STEPS, 0, "from", value="1"), "/formula", "below its first range"),
        (drop("steps", 0, "source"), "/steps/0/rows/0/source", "source"),
        (put("steps", 0, "unit_in", value="km"), "/formula", "wanted m"),
        (put("steps", 0, "unit_out", value="g"), "/formula", "gCO2e*g"),
        (put("formula", value="energy_wh * base / use"), "/tables/0", "grid is not used"),
        (put("formula", value=BASE["formula"].replace("grid[", "net[")), "/formula", "'net'"),
        (put("formula", value=BASE["formula"].replace("share", "part")), "/formula", "'part'"),
        (put("formula", value=BASE["formula"].replace("[kind]", "[month]")), "/formula", "pile[kind]"),
        (put("tables", 1, "name", value="grid"), "/tables/1", "twice"),
        # units a factor apart: kg for g, km for m, per 100 km; dimensions agree, so the example tells
        (put("parameters", 0, "unit", value="kWh/km"), "/formula", "never above zero"),
        (put("parameters", 1, "unit", value="gCO2e/km"), "/formula", "swapped"),
        (put("parameters", 1, "unit", value="kgCO2e/m"), "/examples/0/co2e_g", "does not hold"),
        (put("inputs", 0, "unit", value="kWh"), "/inputs/0/unit", "Wh"),
        # baseline and project swapped
        (
            put(
                "formula",
                value=BASE["formula"].replace(
                    "base - use * grid[province, year]", "use * grid[province, year] - base"
                ),
            ),
            "/formula",
            "swapped",
        ),
        (put("examples", 0, "co2e_g", value="18371.4"), "/examples/0/co2e_g", "found 18371.5 g"),
        (put("examples", 0, "inputs", "kind", value="wireless"), "/examples/0", "no_table_value"),
        (put("examples", 0, "inputs", "colour", value="red"), "/examples/0/inputs/colour", "known input"),
        (put("report_within_days", value=0), "/report_within_days", "1 or more"),
        (
            put("self_report", value={"share_percent": 101, "source": "x"}),
            "/self_report/share_percent",
            "100 or less",
        ),
        (put("collection", value={"after_days": 2, "source": "x"}), "/collection/within_days", "missing"),
        (put("aggregation", value={"per": "month", "source": "x"}), "/aggregation/threshold_mg", "missing"),
        (
            put("aggregation", value={"threshold_mg": 1, "per": "week", "source": "x"}),
            "/aggregation/per",
            "'day', 'month' or 'year'",
        ),
        (
            put("aggregation", value={"threshold_mg": 0, "per": "day", "source": "x"}),
            "/aggregation/threshold_mg",
            "greater than 0",
        ),
        (
            both(
                put("collection", value={"after_days": 2, "within_days": 7, "source": "x"}),
                put("aggregation", value={"threshold_mg": 1, "per": "day", "source": "x"}),
            ),
            "/aggregation",
            "excludes collection",
        ),
        (
            both(
                put("points_only", value=True),
                put("aggregation", value={"threshold_mg": 1, "per": "day", "source": "x"}),
            ),
            "/aggregation",
            "no reduction to aggregate",
        ),
        (put("rule", value="os:system"), "/formula", "either"),
    ],
)
def test_a_fault_is_told_at_its_place_in_both_languages(base, change, pointer, word):
    change(base)
    first = check(base)[0]
    assert first.pointer == pointer
    assert word in first.message_en
    assert any("\u4e00" <= letter <= "\u9fff" for letter in first.message_zh)
    with pytest.raises(PackError) as refused:
        build(base)
    assert (refused.value.pointer, refused.value.message_zh) == (first.pointer, first.message_zh)


def test_an_example_that_comes_out_negative_is_told_with_its_value(base):
    # 0.07 kg/km is above Guangdong's 15 kWh × 0.4419, and below Shanghai's 15 kWh × 0.5737.
    base["parameters"][1]["value"] = "0.07"
    base["examples"][0]["inputs"]["province"] = 310_000
    row, found = check(base)
    # not one act of Shanghai could earn anything
    assert (row.pointer, found.pointer) == ("/tables/0/rows/0", "/examples/0")
    assert "for 310000, 2024" in row.message_en
    assert "(-1605.5 g, negative_reduction)" in found.message_en
    assert "减排量为负" in found.message_zh


def test_all_faults_are_told_at_once(base):
    base["parameters"][0]["unit"] = "stone"
    base["tables"][0]["unit"] = "furlong"
    assert [each.pointer for each in check(base)] == ["/parameters/0/unit", "/tables/0/unit"]
    base = copy.deepcopy(BASE)
    del base["tables"][0]["rows"][0]
    base["steps"][0]["rows"][1]["from"] = "21"
    base["formula"] = "energy_wh * factor"
    found = [each.pointer for each in check(base)]
    assert found[:3] == ["/tables/0/covers/province/0", "/steps/0/rows/1/from", "/formula"]
    assert {"/parameters/0", "/parameters/1", "/tables/0", "/tables/1", "/steps/0"} <= set(found)
    base = copy.deepcopy(BASE)
    base["examples"] += [{"inputs": {"energy_wh": 0, **GUANGDONG}, "co2e_g": "1", "basis": "x"}] * 2
    assert [each.pointer for each in check(base)] == ["/examples/1/co2e_g", "/examples/2/co2e_g"]


def test_where_the_schema_is_broken_units_and_formula_are_still_read(base):
    del base["claims"]
    base["title"] = "x"
    base["formula"] = "energy_wh **"
    base["parameters"][1]["unit"] = "stone"
    found = {each.pointer: each for each in check(base)}
    assert found.keys() == {"/claims", "/title", "/formula", "/parameters/1/unit"}
    assert (found["/claims"].message_zh, found["/claims"].message_en) == ("缺少这一项", "this is missing")


@pytest.mark.parametrize("data", [{}, {"inputs": 5}, {"inputs": [None]}, {"tables": [5]}, {"formula": 5}])
def test_what_is_no_text_at_all_is_told_too(data):
    assert check(data)
    with pytest.raises(PackError):
        build(data)


def test_new_fields_are_part_of_the_content_and_their_absence_is_not(base):
    plain = build(base)
    assert "report_within_days" not in plain.content
    base |= {
        "report_within_days": 30,
        "self_report": {"share_percent": 50, "source": "湖北"},
        "collection": {"after_days": 2, "within_days": 7, "source": "北京"},
    }
    rich = build(base)
    assert rich.content_hash != plain.content_hash
    assert (rich.text.report_within_days, rich.text.self_report.share_percent) == (30, 50)
    assert rebuild(rich.content).text.collection.within_days == 7
    del base["collection"]
    base["aggregation"] = {"threshold_mg": 250_000, "per": "month", "source": "武汉"}
    aggregated = build(base)
    assert aggregated.content_hash not in (plain.content_hash, rich.content_hash)
    assert rebuild(aggregated.content).text.aggregation.threshold_mg == 250_000


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from([310_000, 440_000]), st.sampled_from(["fast", "slow"]))
def test_compiled_tables_and_steps_equal_the_exact_value(energy_wh, province, kind):
    act = {"energy_wh": energy_wh, "province": province, "year": 2024, "kind": kind}
    values = {"energy_wh": Fraction(energy_wh)}
    for name in ("use", "base"):
        (given_,) = [each for each in BASE["parameters"] if each["name"] == name]
        values[name] = Fraction(given_["value"]) * RULE.plan.units[name].scale
    values |= {name: table.value(act) for name, table in RULE.plan.tables.items()}
    exact = evaluate(RULE.plan.tree, values, RULE.plan.ladders)
    assert RULE.quantify(act) == exact * 1000 // 1
    assert RULE.explain(act).co2e_mg == RULE.quantify(act)


RULE = build(BASE)


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places(each, (*path, key))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["km", "0", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "unit", "key", "shared", "440000"]) | st.text(max_size=3), inner
        )
    ),
    max_leaves=4,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([path for path in places(BASE) if path]), JSON)
def test_whatever_is_sent_is_answered_with_problems(path, value):
    text = copy.deepcopy(BASE)
    put(*path, value=value)(text)
    found = check(text)
    for each in found:
        assert each.message_zh
        assert each.message_en
    if found:
        with pytest.raises(PackError):
            build(text)
    else:
        assert rebuild(build(text).content).content == build(text).content


# Packs: shared tables and placeholders


@pytest.fixture
def write(tmp_path):
    def made(text, **files):
        folder = tmp_path / "440300_test"
        folder.mkdir(exist_ok=True)
        place = {"region": "440300", "name": {"zh": "深圳", "en": "Shenzhen"}}
        for name, data in {"pack": {"regions": [place]}, "m": text, **files}.items():
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
        return load_catalogue(tmp_path)

    return made


def test_a_pack_with_tables_loads_and_a_missing_province_is_refused(write, base):
    rule = write(base).select("440305", "charging.ev", dt.date(2024, 5, 1))
    assert rule.content_hash == build(base).content_hash
    del base["tables"][0]["rows"][0]
    with pytest.raises(PackError) as refused:
        write(base)
    assert refused.value.pointer == "/tables/0/covers/province/0"
    assert refused.value.path.name == "m.yaml"


PLACEHOLDER = {
    "region": "440300",
    "scene": "recycling.clothes",
    "code": "SZ.clothes",
    "title": {"zh": "旧衣", "en": "Clothes"},
    "document": {"title": "某文件"},
    "missing": {"zh": "因子未找到", "en": "The factor was not found"},
    "consult": "某文件附录 A",
}


def test_a_placeholder_is_told_of_and_never_selected(write, base):
    catalogue = write(base, placeholders={"placeholders": [PLACEHOLDER]})
    (found,) = catalogue.placeholders
    assert (found.code, found.consult) == ("SZ.clothes", "某文件附录 A")
    assert catalogue.select("440300", "recycling.clothes", dt.date(2024, 5, 1)) is None


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"region": "310000"}, "/placeholders/0/region"),
        ({"scene": "no.such"}, "/placeholders/0/scene"),
        ({"consult": None}, "/placeholders/0/consult"),
        ({"formula": "1"}, "/placeholders/0/formula"),
    ],
)
def test_a_placeholder_that_is_wrong_is_refused(write, base, change, pointer):
    with pytest.raises(PackError) as refused:
        write(base, placeholders={"placeholders": [PLACEHOLDER | change]})
    assert refused.value.pointer == pointer
