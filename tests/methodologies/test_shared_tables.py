"""Shared dated tables: read with their notices, taken into a text when it loads, refused at their place."""

import copy
import datetime as dt
import json

import pytest
import yaml

from methodologies import PackError, load_catalogue, rebuild
from methodologies.checking import build, check
from methodologies.factor_tables import read_factor_tables

GRID = {
    "name": "grid_test",
    "title": {"zh": "电网因子", "en": "Grid factors"},
    "unit": "kgCO2e/kWh",
    "keys": ["province", "year"],
    "requires_notice": True,
    "source": "生态环境部公告",
    "confidence": "quoted",
    "rows": [
        {
            "key": [province, year],
            "value": value,
            "data_year": year - 2,
            "published": dt.date(year, 12, 31),
            "notice_no": f"{year}年第47号",
            "url": "https://example.org/notice",
        }
        for province, year, value in [
            ("310000", 2024, "0.5849"),
            ("310000", 2025, "0.5737"),
            ("440000", 2024, "0.4403"),
            ("440000", 2025, "0.4419"),
        ]
    ],
}
TEXT = {
    "region": "440300",
    "scene": "charging.ev",
    "code": "TEST.shared",
    "version": "1",
    "title": {"zh": "测试", "en": "Test"},
    "authority": None,
    "document": {"title": "测试文本"},
    "filing_no": None,
    "in_force": {"from": "2024-01-01", "to": None},
    "status": "unverified",
    "confidence": "quoted",
    "inputs": [{"name": "energy_wh", "unit": "Wh", "min": 0, "max": 100_000}],
    "tables": [{"name": "grid", "shared": "grid_test"}],
    "formula": "energy_wh * grid[province, year]",
    "claims": [{"rule": "order", "of": "order_no", "period": "forever", "required": True}],
    "examples": [
        {
            "inputs": {"energy_wh": 1_000, "province": 440_000, "year": 2025},
            "co2e_g": "441.9",
            "basis": "1 kWh",
        }
    ],
}


@pytest.fixture
def table():
    return copy.deepcopy(GRID)


@pytest.fixture
def text():
    return copy.deepcopy(TEXT)


@pytest.fixture
def read(tmp_path):
    def made(*tables):
        for number, each in enumerate(tables):
            (tmp_path / f"t{number}.yaml").write_text(yaml.safe_dump(each, allow_unicode=True))
        return read_factor_tables(tmp_path)

    return made


def test_a_table_keeps_accounting_year_data_year_and_notice_apart(read, table):
    row = read(table)["grid_test"].rows[3]
    assert (row.key, row.data_year, row.published, row.notice_no) == (
        ("440000", 2025),
        2023,
        dt.date(2025, 12, 31),
        "2025年第47号",
    )


def test_no_folder_means_no_tables(tmp_path):
    assert read_factor_tables(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (lambda t: t["rows"][2].pop("notice_no"), "/rows/2/notice_no"),
        (lambda t: t.pop("source"), "/rows/0/source"),
        (lambda t: t["rows"][1].update(key=["310000", 2024]), "/rows/1/key"),
        (lambda t: t["rows"][1].update(key=["310000"]), "/rows/1/key"),
        (lambda t: t["rows"][1].update(key=["310100", 2024]), "/rows/1/key"),
        (lambda t: t["rows"][1].update(key=[310000, 2024]), "/rows/1/key"),
        (lambda t: t["rows"][1].update(value=0.57), "/rows/1/value"),
        (lambda t: t["rows"][1].update(data_year="2023"), "/rows/1/data_year"),
        (lambda t: t.update(surprise=1), "/surprise"),
        (lambda t: t.update(rows=[]), "/rows"),
    ],
)
def test_a_shared_table_that_is_wrong_is_refused_at_its_place(read, table, change, pointer):
    change(table)
    with pytest.raises(PackError) as refused:
        read(table)
    assert (refused.value.pointer, refused.value.path.name) == (pointer, "t0.yaml")


def test_a_name_stands_once(read, table):
    with pytest.raises(PackError, match="twice"):
        read(table, table)


def test_a_text_takes_the_rows_and_stands_on_its_own(read, table, text):
    rule = build(text, shared=read(table))
    act = {"energy_wh": 10_000, "province": 310_000, "year": 2024}
    assert rule.quantify(act) == 5_849_000
    (kept,) = json.loads(rule.content)["tables"]
    assert (kept["shared"], len(kept["rows"]), kept["unit"]) == ("grid_test", 4, "kgCO2e/kWh")
    assert kept["rows"][0]["notice_no"] == "2024年第47号"
    assert rebuild(rule.content).quantify(act) == 5_849_000
    (told,) = rule.explain(act).tables
    assert (told.data_year, told.published, told.source) == (2022, "2024-12-31", "生态环境部公告")
    # What stands in a text stays, whatever becomes of the shared table.
    assert build(json.loads(rule.content), shared={}).content_hash == rule.content_hash


def test_a_text_keeps_to_the_provinces_and_years_that_it_names(read, table, text):
    text["tables"][0] |= {"provinces": ["440000"], "years": [2025]}
    rule = build(text, shared=read(table))
    assert [row.key for row in rule.text.tables[0].rows] == [("440000", 2025)]


@pytest.mark.parametrize(
    ("own", "pointer"),
    [
        ({"provinces": ["440000", "110000"]}, "/tables/0/provinces/1"),  # a missing province
        ({"years": [2025, 2026]}, "/tables/0/years/1"),
        ({"provinces": "440000"}, "/tables/0/provinces"),
        ({"shared": "no_such"}, "/tables/0/shared"),
        ({"covers": {"province": ["440000", "110000"]}}, "/tables/0/covers/province/1"),
        ({"covers": {"year": [2026]}}, "/tables/0/covers/year/0"),
        ({"keys": ["year", "province"]}, "/tables/0/keys"),
        ({"unit": "gCO2e/kWh"}, "/tables/0/unit"),  # it would count a thousandth
    ],
)
def test_what_a_shared_table_does_not_have_is_told_at_its_place(read, table, text, own, pointer):
    text["tables"][0] |= own
    shared = read(table)
    assert check(text, shared=shared)[0].pointer == pointer
    with pytest.raises(PackError) as refused:
        build(text, shared=shared)
    assert refused.value.pointer == pointer


def test_packs_bring_shared_tables_of_their_own(tmp_path, read, table, text):
    folder = tmp_path / "packs"
    (folder / "440300_test").mkdir(parents=True)
    (folder / "factors").mkdir()
    pack = {"regions": [{"region": "440300", "name": {"zh": "深圳", "en": "Shenzhen"}}]}
    (folder / "440300_test" / "pack.yaml").write_text(yaml.safe_dump(pack))
    (folder / "440300_test" / "m.yaml").write_text(yaml.safe_dump(text, allow_unicode=True))
    with pytest.raises(PackError) as refused:
        load_catalogue(folder)
    assert (refused.value.pointer, refused.value.path.name) == ("/tables/0/shared", "m.yaml")
    (folder / "factors" / "grid.yaml").write_text(yaml.safe_dump(table, allow_unicode=True))
    (rule,) = load_catalogue(folder).methodologies
    assert rule.content_hash == build(text, shared=read(table)).content_hash


def test_the_shipped_tables_load():
    for name, table in read_factor_tables().items():
        assert table.rows, name
