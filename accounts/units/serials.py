"""Readable serials of this deployment's units. Pure.

`TPH-440300-SZ-LOW-CARBON-TRANSIT.metro-2026-1-19149-…`: programme, region, methodology, vintage, first and last number,
and two check characters by ISO/IEC 7064, MOD 1271-36: they tell a wrong character and two neighbours that were swapped.
"""

import enum
import re
from dataclasses import dataclass
from uuid import UUID

from accounts.units.ranges import UnitRange

PROGRAMME = "TPH"
_MODULUS = 1271
_RADIX = 36
_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SERIAL = re.compile(
    r"TPH-(?P<region>\d{6})-(?P<methodology>[A-Za-z0-9._-]{1,80})-(?P<vintage>\d{4})"
    r"-(?P<first>[1-9]\d{0,18})-(?P<last>[1-9]\d{0,18})-(?P<check>[0-9A-Z]{2})",
    re.ASCII,
)


class OriginKind(enum.StrEnum):
    """What units come of."""

    ISSUANCE = "issuance"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Origin:
    """An issuance or a verified stock of a project; `methodology` is the methodology's code, or the project's.

    `vintage` is a year, `unit_type` the name by which rules of markets know such units.
    """

    id: UUID
    kind: OriginKind
    subject_id: UUID
    region: str
    methodology: str
    vintage: int
    unit_type: str


@dataclass(frozen=True, slots=True)
class Serial:
    """What a serial says."""

    region: str
    methodology: str
    vintage: int
    units: UnitRange


def check_characters(text: str) -> str:
    """The two check characters of a text's letters and digits; case does not count."""
    value = 0
    for character in text.upper():
        if character in _CHARACTERS:
            value = (value + _CHARACTERS.index(character)) * _RADIX % _MODULUS
    value = (_MODULUS + 1 - value * _RADIX % _MODULUS) % _MODULUS
    return _CHARACTERS[value // _RADIX] + _CHARACTERS[value % _RADIX]


def format_serial(origin: Origin, units: UnitRange) -> str:
    """The serial of a range of an origin."""
    return print_serial(Serial(origin.region, origin.methodology, origin.vintage, units))


def print_serial(serial: Serial) -> str:
    """The serial as text; `ValueError` where a part does not fit into one."""
    text = (
        f"{PROGRAMME}-{serial.region}-{serial.methodology}-{serial.vintage}"
        f"-{serial.units.first}-{serial.units.last}"
    )
    text = f"{text}-{check_characters(text)}"
    if not _SERIAL.fullmatch(text):
        raise ValueError("a region, methodology or vintage that does not fit into a serial")
    return text


def parse_serial(text: str) -> Serial:
    """What a serial says; `ValueError` where it is none of ours or its check characters are not right."""
    found = _SERIAL.fullmatch(text)
    if found is None:
        raise ValueError("no serial of this programme")
    if check_characters(text[:-3]) != found["check"]:
        raise ValueError("the check characters do not fit the serial")
    units = UnitRange(int(found["first"]), int(found["last"]) + 1)
    return Serial(found["region"], found["methodology"], int(found["vintage"]), units)
