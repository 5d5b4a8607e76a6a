"""Units as the Climate Action Data Trust's unit table has them. Pure."""

from typing import TYPE_CHECKING, Any, Final

from accounts.units.foreign_serials import CadTrustUnit
from accounts.units.ranges import UnitRange
from accounts.units.serials import Serial, print_serial

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUSES: Final = {
    "held": "Held",
    "locked": "Held",
    "pledged": "Held",
    "retired": "Retired",
    "cancelled": "Cancelled",
}
TYPES: Final = {"bj_forestry": "Removal - nature", "bj_energy_saving": "Reduction - technical"}
_ANY: Final = "Reduction - technical"


def record(row: "Mapping[str, Any]") -> dict[str, Any]:
    """A row of the export. What a project's units are of is told where it is known, and never guessed."""
    units = UnitRange(row["first"], row["beyond"])
    known = _ANY if row["kind"] == "issuance" else TYPES.get(row["unit_type"])
    unit = CadTrustUnit(units, row["vintage"], known or _ANY, STATUSES[row["status"]], row["why"])
    serial = print_serial(Serial(row["region"], row["methodology"], row["vintage"], units))
    return {**unit.record(), "unitType": known, "serial": serial}
