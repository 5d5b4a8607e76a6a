"""docs/methodologies.md is what the packs and tables say."""

from app.catalogue_page import PAGE, shipped_page
from methodologies import load_catalogue
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


def test_every_placeholder_and_table_stands_on_the_page():
    text = shipped_page()
    for each in load_catalogue().placeholders:
        assert any(each.region in line and each.consult in line for line in text.splitlines()), each
    for name, table in read_factor_tables().items():
        part = text.split(f"### `{name}`")[1].split("### ")[0]
        assert all(f"| {row.value} |" in part for row in table.rows)
