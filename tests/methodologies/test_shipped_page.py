"""docs/methodologies.md is what the packs and tables say."""

import shutil

from app.catalogue_page import PAGE, page, shipped_page
from methodologies import load_catalogue
from methodologies.catalogue import BUILT_IN
from methodologies.factor_tables import read_factor_tables


def test_the_page_is_up_to_date():
    assert PAGE.exists(), "docs/methodologies.md is missing: run `make methodologies`"
    assert PAGE.read_text(encoding="utf-8") == shipped_page(), (
        "docs/methodologies.md is not what the packs say: run `make methodologies`"
    )


def test_every_value_stands_on_the_page_with_its_source():
    text = shipped_page()
    lines = text.splitlines()
    for each in load_catalogue(demonstration=True).methodologies:
        assert f"`{each.code}` · version 版本 `{each.version}`" in text
        for parameter in each.text.parameters:
            assert any(
                f"`{parameter.name}`" in line and parameter.value in line and parameter.source in line
                for line in lines
            ), (each, parameter.name)
        for part in (*each.text.tables, *each.text.steps):
            for row in part.rows:
                source = row.source or part.source
                assert any(f"| {row.value} |" in line and source in line for line in lines), (each, part.name)
        for cap in each.text.caps:
            assert any("Cap 上限" in line and cap.source in line for line in lines), (each, cap.id)


def test_every_placeholder_and_table_stands_on_the_page():
    text = shipped_page()
    for each in load_catalogue().placeholders:
        assert any(each.region in line and each.consult in line for line in text.splitlines()), each
    for name, table in read_factor_tables().items():
        part = text.split(f"### `{name}`")[1].split("### ")[0]
        for row in table.rows:
            key = " | ".join(map(str, row.key))
            line = next(line for line in part.splitlines() if line.startswith(f"| {key} | {row.value} |"))
            assert (row.source or table.source) in line, (name, key)
            assert (row.url or table.url or "") in line, (name, key)


def test_what_a_platform_may_take_stands_in_the_section_of_its_text(tmp_path):
    pack = tmp_path / "420100_wuhan"
    shutil.copytree(BUILT_IN / "420100_wuhan", pack)
    shutil.copy(BUILT_IN / "scenes.yaml", tmp_path)
    rides = pack / "trip_bus.yaml"
    taken = "aggregation: {threshold_mg: 1500, per: month, source: 试验}\n"
    rides.write_text(rides.read_text(encoding="utf-8") + taken, encoding="utf-8")
    (pack / "pack.yaml").write_text('regions: [{region: "420100", name: {zh: 武汉, en: Wuhan}}]')
    part = page(load_catalogue(tmp_path), {}).split("`WH-WUTANJIANGHU.bus` ")[1].split("\n### ")[0]
    assert (
        "- Platform aggregation 平台归集: up to 1.5 g of a person and platform a month, with consent;" in part
    )


def test_no_threshold_was_found_for_wuhan():
    """Sources tell the rule and no number: none ships, and the placeholders name what is missing."""
    catalogue = load_catalogue(demonstration=True)
    assert all(each.text.aggregation is None for each in catalogue.methodologies)
    second_batch = [each for each in catalogue.placeholders if each.code.startswith("WH-2024-2")]
    assert len(second_batch) == 7
    assert all("平台归集的阈值" in each.missing.zh for each in second_batch)
