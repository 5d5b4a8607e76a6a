"""Serials of other registries, read from real files and printed back."""

import csv
import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.units.foreign_serials import (
    UNIT_STATUSES,
    UNIT_TYPES,
    CadTrustUnit,
    GoldStandardSerial,
    VerraSerial,
    parse_cad_trust,
    parse_gold_standard,
    parse_verra,
    split_cad_trust,
)
from accounts.units.ranges import UnitRange

RANGES = st.tuples(st.integers(1, 10**12), st.integers(1, 10**6)).map(lambda p: UnitRange(p[0], p[0] + p[1]))
LETTERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2)
DAYS = st.dates(datetime.date(1996, 1, 1), datetime.date(2100, 1, 1))


def test_every_serial_of_the_real_file_is_printed_back_and_counts_its_quantity(data: Path) -> None:
    with (data / "registry" / "verra_vcus.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 700
    layouts = set()
    for row in rows:
        serial = parse_verra(row["Serial Number"])
        layouts.add(serial.named)
        assert str(serial) == row["Serial Number"]
        assert serial.units.quantity_kg == int(row["Quantity Issued"].replace(",", ""))
        assert serial.vintage_begins.isoformat() == row["Vintage Start"]
        assert serial.vintage_ends.isoformat() == row["Vintage End"]
        assert str(serial.project) == row["ID"]
    assert layouts == {True, False}


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("19385-941467007-941467431-VCS-VCU-1507-VER-ET-14-1340-01012020-31122020-1", 425),
        ("19380-941382555-941382741-VCS-VCU-259-VER-CN-13-3005-01012022-31102022-0", 187),
    ],
)
def test_published_serials_of_verra(text: str, quantity: int) -> None:
    assert parse_verra(text).units.quantity_kg == quantity
    assert str(parse_verra(text)) == text


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("GS1-1-UG-GS11236-16-2024-30307-1-19149", 19_149),
        # The rest of a block whose beginning was retired.
        ("GS1-1-KE-GS11603-16-2025-30256-110-5463", 5_354),
    ],
)
def test_published_serials_of_gold_standard(text: str, quantity: int) -> None:
    assert parse_gold_standard(text).units.quantity_kg == quantity
    assert str(parse_gold_standard(text)) == text


@given(
    RANGES,
    st.booleans(),
    st.from_regex(r"[0-9]{3,4}", fullmatch=True),
    LETTERS,
    st.integers(1, 16),
    st.integers(1, 99999),
    DAYS,
    DAYS,
    st.booleans(),
)
def test_any_serial_of_verra_is_read_as_printed(
    units: UnitRange,
    named: bool,
    body: str,
    country: str,
    scope: int,
    project: int,
    begins: datetime.date,
    ends: datetime.date,
    flag: bool,
) -> None:
    made = VerraSerial(1, units, named, body, "VER", country, scope, project, begins, ends, flag)
    assert parse_verra(str(made)) == made


@given(RANGES, LETTERS, st.integers(1, 99999), st.integers(2000, 2100))
def test_any_serial_of_gold_standard_is_read_as_printed(
    units: UnitRange, country: str, project: int, vintage: int
) -> None:
    made = GoldStandardSerial("GS1", 1, country, project, 16, vintage, 30307, units)
    assert parse_gold_standard(str(made)) == made


@given(
    RANGES,
    st.integers(1900, 3000),
    st.sampled_from(UNIT_TYPES),
    st.sampled_from(UNIT_STATUSES),
    st.data(),
)
def test_a_unit_of_cad_trust_is_read_as_printed_and_split_without_loss(
    units: UnitRange, vintage: int, unit_type: str, status: str, data: st.DataObject
) -> None:
    unit = CadTrustUnit(units, vintage, unit_type, status, "climate action")
    assert parse_cad_trust(unit.record()) == unit
    if units.quantity_kg == 1:
        return
    cut = data.draw(st.integers(1, units.quantity_kg - 1))
    parts = split_cad_trust(unit, cut, units.quantity_kg - cut)
    assert [(part.units.first, part.units.end) for part in parts] == [
        (units.first, units.first + cut),
        (units.first + cut, units.end),
    ]
    with pytest.raises(ValueError, match="sum"):
        split_cad_trust(unit, cut, units.quantity_kg - cut + 1)


RECORD = CadTrustUnit(UnitRange(1, 11), 2026, "Reduction - technical", "Held").record()


@pytest.mark.parametrize(
    "change",
    [
        {"unitCount": 11},
        {"unitBlockEnd": "11"},
        {"serialNumberBlock": "10-1"},
        {"unitStatus": "Retired"},
        {"unitType": "Avoidance"},
        {"vintageYear": 1899},
        {"vintageYear": "2026"},
    ],
)
def test_a_record_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    parse_cad_trust(RECORD)
    with pytest.raises(ValueError, match=r"CAD Trust|range"):
        parse_cad_trust(RECORD | change)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4147-176338408-176338907-VCU-016-MER-AU-14-641-16042012-15042013",
        "4147-176338907-176338408-VCU-016-MER-AU-14-641-16042012-15042013-0",
        "4147-176338408-176338907-VCU-016-MER-AU-14-641-31022012-15042013-0",
        "04147-176338408-176338907-VCU-016-MER-AU-14-641-16042012-15042013-0",
    ],
)
def test_what_is_no_serial_of_verra(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever part of it is wrong
        parse_verra(text)
