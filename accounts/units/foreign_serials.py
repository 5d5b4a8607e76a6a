"""Serials of other registries: what they say, as they write it. Pure.

Read from public exports: Verra's in both of its layouts, Gold Standard's, and the block of a CAD Trust unit. Numbers
of a serial include its last; ranges here are half-open, and the quantity is the range's.
"""

import datetime
import re
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from accounts.units.ranges import UnitRange

_NUMBERS = r"(?P<first>[1-9]\d{0,17})-(?P<last>[1-9]\d{0,17})"
_VERRA = re.compile(
    rf"(?P<batch>\d{{1,9}})-{_NUMBERS}-(?P<named>VCS-)?VCU-(?P<body>\d{{3,4}})-(?P<registry>[A-Z]{{3}})"
    r"-(?P<country>[A-Z]{2})-(?P<scope>\d{1,2})-(?P<project>\d{1,6})-(?P<begins>\d{8})-(?P<ends>\d{8})-(?P<flag>[01])",
    re.ASCII,
)
_GOLD = re.compile(
    r"(?P<registry>GS\d)-(?P<kind>\d{1,2})-(?P<country>[A-Z]{2})-GS(?P<project>\d{1,6})-(?P<product>\d{1,3})"
    rf"-(?P<vintage>\d{{4}})-(?P<batch>\d{{1,9}})-{_NUMBERS}",
    re.ASCII,
)
_BLOCK = re.compile(_NUMBERS, re.ASCII)
UNIT_TYPES: Final = ("Reduction - nature", "Reduction - technical", "Removal - nature", "Removal - technical")
UNIT_STATUSES: Final = ("Held", "Retired", "Cancelled", "Expired", "Buffer", "Exported", "Pending Export")
_FIRST_VINTAGE, _LAST_VINTAGE = 1900, 3000


@dataclass(frozen=True, slots=True)
class VerraSerial:
    """Verified carbon units, 1 t each. `named` tells the later layout, which names the standard (`VCS-VCU`).

    `flag` is whether further certifications hold, `scope` a sectoral scope, `body` who validated.
    """

    batch: int
    units: UnitRange
    named: bool
    body: str
    registry: str
    country: str
    scope: int
    project: int
    vintage_begins: datetime.date
    vintage_ends: datetime.date
    flag: bool

    def __str__(self) -> str:
        standard = "VCS-VCU" if self.named else "VCU"
        days = f"{self.vintage_begins:%d%m%Y}-{self.vintage_ends:%d%m%Y}"
        return (
            f"{self.batch}-{self.units.first}-{self.units.last}-{standard}-{self.body}-{self.registry}"
            f"-{self.country}-{self.scope}-{self.project}-{days}-{self.flag:d}"
        )


@dataclass(frozen=True, slots=True)
class GoldStandardSerial:
    """Gold Standard units, 1 t each; `product` is their kind of unit, `vintage` a year."""

    registry: str
    kind: int
    country: str
    project: int
    product: int
    vintage: int
    batch: int
    units: UnitRange

    def __str__(self) -> str:
        return (
            f"{self.registry}-{self.kind}-{self.country}-GS{self.project}-{self.product}-{self.vintage}-{self.batch}"
            f"-{self.units.first}-{self.units.last}"
        )


@dataclass(frozen=True, slots=True)
class CadTrustUnit:
    """A block of the Climate Action Data Trust's unit table; a retired or cancelled one has a reason."""

    units: UnitRange
    vintage: int
    unit_type: str
    status: str
    reason: str = ""

    def __post_init__(self) -> None:
        if not _FIRST_VINTAGE <= self.vintage <= _LAST_VINTAGE:
            raise ValueError("a CAD Trust unit's vintageYear is between 1900 and 3000")
        if self.unit_type not in UNIT_TYPES or self.status not in UNIT_STATUSES:
            raise ValueError("an unknown unitType or unitStatus of CAD Trust")
        if self.status in ("Retired", "Cancelled") and not self.reason:
            raise ValueError("a CAD Trust unit that is retired or cancelled has a unitStatusReason")

    def __str__(self) -> str:
        return f"{self.units.first}-{self.units.last}"

    def record(self) -> dict[str, Any]:
        """The row as CAD Trust takes it; `unitStatusReason` is null where there is none."""
        return {
            "serialNumberBlock": str(self),
            "unitBlockStart": str(self.units.first),
            "unitBlockEnd": str(self.units.last),
            "unitCount": self.units.quantity_kg,
            "vintageYear": self.vintage,
            "unitType": self.unit_type,
            "unitStatus": self.status,
            "unitStatusReason": self.reason or None,
        }


Told = TypeVar("Told", VerraSerial, GoldStandardSerial)


def parse_verra(text: str) -> VerraSerial:
    """A serial in either of Verra's layouts; `ValueError` where it is none."""
    found = _match(_VERRA, text, "Verra")
    return _same(
        text,
        VerraSerial(
            int(found["batch"]),
            _units(found),
            found["named"] is not None,
            found["body"],
            found["registry"],
            found["country"],
            int(found["scope"]),
            int(found["project"]),
            _day(found["begins"]),
            _day(found["ends"]),
            found["flag"] == "1",
        ),
    )


def parse_gold_standard(text: str) -> GoldStandardSerial:
    """A serial of Gold Standard; `ValueError` where it is none."""
    found = _match(_GOLD, text, "Gold Standard")
    return _same(
        text,
        GoldStandardSerial(
            found["registry"],
            int(found["kind"]),
            found["country"],
            int(found["project"]),
            int(found["product"]),
            int(found["vintage"]),
            int(found["batch"]),
            _units(found),
        ),
    )


def parse_cad_trust(record: dict[str, Any]) -> CadTrustUnit:
    """A row of CAD Trust's units; `ValueError` where its block, ends and count do not say the same."""
    units = _units(_match(_BLOCK, str(record.get("serialNumberBlock")), "CAD Trust"))
    vintage = record.get("vintageYear")
    if type(vintage) is not int:
        raise ValueError("a CAD Trust unit's vintageYear is a number")
    unit = CadTrustUnit(
        units,
        vintage,
        str(record.get("unitType")),
        str(record.get("unitStatus")),
        str(record.get("unitStatusReason") or ""),
    )
    if any(
        unit.record()[name] != record.get(name) for name in ("unitBlockStart", "unitBlockEnd", "unitCount")
    ):
        raise ValueError("the block, its ends and the count of a CAD Trust unit do not agree")
    return unit


def split_cad_trust(unit: CadTrustUnit, *quantities: int) -> list[CadTrustUnit]:
    """Blocks of the given counts, one after the other; `ValueError` unless they sum to the unit's."""
    if sum(quantities) != unit.units.quantity_kg:
        raise ValueError("the counts of a split sum to the count that is split")
    parts, first = [], unit.units.first
    for quantity in quantities:
        parts.append(
            CadTrustUnit(
                UnitRange(first, first + quantity), unit.vintage, unit.unit_type, unit.status, unit.reason
            )
        )
        first += quantity
    return parts


def _match(pattern: re.Pattern[str], text: str, registry: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(f"no serial of {registry}")
    return found


def _units(found: re.Match[str]) -> UnitRange:
    return UnitRange(int(found["first"]), int(found["last"]) + 1)


def _day(text: str) -> datetime.date:
    return datetime.date(int(text[4:]), int(text[2:4]), int(text[:2]))


def _same(text: str, serial: Told) -> Told:
    # A number with zeros before it would be printed without them: no registry writes one.
    if str(serial) != text:
        raise ValueError("a serial whose numbers have zeros before them")
    return serial
