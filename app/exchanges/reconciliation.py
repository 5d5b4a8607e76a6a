"""What an exchange's statement of a day says otherwise than our books. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from integrations.carbon_market.ports import Statement


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs; quantities in kg, prices in fen per tonne, empty where a side has none."""

    instruction: str
    kind: str
    region: str | None
    ours: str
    theirs: str


_COMPARED = (
    ("kind_differs", "kind"),
    ("quantity_differs", "quantity_kg"),
    ("price_differs", "price_fen_per_t"),
    ("reference_differs", "reference"),
)


def compare(
    statement: "Statement", instructions: Mapping[str, Mapping[str, Any]], of_day: Sequence[str], held_kg: int
) -> list[Difference]:
    """Differences by instruction: those that our books have of the day, and those that the statement names."""
    theirs = {line.instruction: line for line in statement.lines}
    found: list[Difference] = []
    for name, line in theirs.items():
        ours = instructions.get(name)
        if ours is None:
            found.append(Difference(name, "unknown", None, "", _told(line.quantity_kg)))
            continue
        for kind, field in _COMPARED:
            mine, other = _told(ours[field]), _told(getattr(line, field))
            if mine != other:
                found.append(Difference(name, kind, ours["region"], mine, other))
    found += [
        Difference(
            name, "missing", instructions[name]["region"], _told(instructions[name]["quantity_kg"]), ""
        )
        for name in of_day
        if name not in theirs
    ]
    if statement.holdings_kg != held_kg:
        found.append(Difference("", "holdings_differ", None, str(held_kg), str(statement.holdings_kg)))
    return sorted(found, key=lambda each: (each.instruction, each.kind))


def _told(value: object) -> str:
    return "" if value is None else str(value)
