"""A bank's file of a day against the loans that it reported for that day. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from integrations.bank.files import FileLine


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the file says otherwise; amounts in fen, rates in basis points."""

    kind: str
    number: str
    region: str | None
    ours: int | None
    theirs: int | None


def compare(lines: "Sequence[FileLine]", loans: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Differences by the bank's number of the loan. A loan that both cancelled is no matter."""
    theirs = {line.number: line for line in lines}
    ours = {str(row["number"]): row for row in loans}
    found: list[Difference] = []
    for number, line in theirs.items():
        row = ours.get(number)
        if row is None:
            if line.state == "granted":
                found.append(Difference("unknown", number, None, None, line.amount_fen))
        else:
            found += _of_both(number, row, line)
    for number, row in ours.items():
        if number not in theirs and row["state"] == "granted":
            found.append(Difference("missing", number, row["region"], row["amount_fen"], None))
    return sorted(found, key=lambda each: (each.number, each.kind))


def _of_both(number: str, row: Mapping[str, Any], line: "FileLine") -> list[Difference]:
    region = row["region"]
    if row["state"] != line.state:
        return [Difference("state_differs", number, region, row["amount_fen"], line.amount_fen)]
    if row["state"] == "cancelled":
        return []
    pairs = (
        ("amount_differs", row["amount_fen"], line.amount_fen),
        ("rate_differs", row["rate_bp"], line.rate_bp),
    )
    return [Difference(kind, number, region, mine, other) for kind, mine, other in pairs if mine != other]
