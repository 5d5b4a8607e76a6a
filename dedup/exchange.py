"""Claims as two deployments exchange them: rows without a person, and what two of them are to each other. Pure.

A digest is a token of the exchange: the function of all tokens (`dedup.tokens`) under the key that neighbours have in
common, of the person's key in their federation. It is of one rule and one local day, so it is no trail of a person.
"""

import datetime
import enum
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson

from dedup.encoding import decoded, encoded
from dedup.periods import day_of, overlap_s, trimmed
from dedup.same_act import decide
from dedup.same_act_rules import SameActRules, load_rules, rules_on
from dedup.sightings import Sighting
from dedup.tokens import TOKEN_BYTES

_FIELDS: Final = 11
_MS: Final = 1000
MAX_SCENE: Final = 64
MAX_MOMENT_S: Final = 1 << 33
MAX_AMOUNT: Final = 1 << 53
_RULES: Final = load_rules()


class Kind(enum.IntEnum):
    """How two rows of one digest are compared."""

    WHOLE = 1
    """A number, or a calendar period: one digest is one act."""
    TIME = 2
    """The person's own time: by the decision on one act or two."""
    USE = 3
    """A thing that serves one act at a time: by the claimed parts of the periods."""


class Precedence(enum.StrEnum):
    """Which of two reports of one act keeps its credit."""

    ARRIVAL = "arrival"
    """What was credited first."""
    HOME = "home"
    """What the city credited that has the person as its resident; where both or neither has, what came first."""


class RowRefused(ValueError):
    """A line that is no row of the exchange; the text never holds what was sent."""

    def __init__(self) -> None:
        super().__init__("row_invalid")


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One claim of one act, whole period, epoch seconds; moments of arrival and release in epoch milliseconds.

    `reference` is opaque for everybody but the deployment whose act it is. `amount` is in m or Wh.
    """

    day: datetime.date
    digest: UUID
    kind: Kind
    reference: UUID
    scene: str
    start_s: int
    end_s: int
    arrived_ms: int
    released_ms: int | None
    home: bool
    amount: int | None


def fields_of(row: Exchanged) -> list[Any]:
    """A row as the JSON array that `read_row` reads."""
    return [
        row.day.isoformat(),
        encoded(row.digest.bytes),
        int(row.kind),
        encoded(row.reference.bytes),
        row.scene,
        row.start_s,
        row.end_s,
        row.arrived_ms,
        row.released_ms,
        int(row.home),
        row.amount,
    ]


def read_line(line: bytes) -> Exchanged:
    """The row of a line; raises `RowRefused` for whatever is none."""
    try:
        return read_row(orjson.loads(line))
    except orjson.JSONDecodeError:
        raise RowRefused from None


def read_row(fields: Any) -> Exchanged:
    """The row of a JSON array; raises `RowRefused`."""
    if not isinstance(fields, list) or len(fields) != _FIELDS:
        raise RowRefused
    day, digest, kind, reference, scene, start_s, end_s, arrived_ms, released_ms, home, amount = fields
    numbers = [kind, start_s, end_s, arrived_ms, home, *(n for n in (released_ms, amount) if n is not None)]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise RowRefused
    if max(start_s, end_s, arrived_ms // _MS, (released_ms or 0) // _MS) > MAX_MOMENT_S:
        raise RowRefused
    if home not in (0, 1) or (amount or 0) > MAX_AMOUNT or not _is_scene(scene) or end_s < start_s:
        raise RowRefused
    try:
        row = Exchanged(
            datetime.date.fromisoformat(day),
            _uuid(digest),
            Kind(kind),
            _uuid(reference),
            scene,
            start_s,
            end_s,
            arrived_ms,
            released_ms,
            bool(home),
            amount,
        )
    except (TypeError, ValueError, AttributeError):
        raise RowRefused from None
    # What is claimed for a calendar period is filed under the period's first day.
    first = day_of(start_s).replace(month=1, day=1) if row.kind is Kind.WHOLE else day_of(start_s)
    if not first <= row.day <= day_of(end_s):
        raise RowRefused
    return row


def _is_scene(scene: object) -> bool:
    return isinstance(scene, str) and 0 < len(scene) <= MAX_SCENE and scene.isascii() and scene.isprintable()


def _uuid(text: str) -> UUID:
    value = decoded(text)
    if len(value) != TOKEN_BYTES or encoded(value) != text:
        raise RowRefused
    return UUID(bytes=value)


@lru_cache(4096)
def _rules(day: datetime.date) -> SameActRules:
    return rules_on(_RULES, day)


def is_double(own: Exchanged, other: Exchanged) -> bool:
    """Whether two live rows of one digest, one of each deployment, are of what only one may credit. Symmetric."""
    if own.released_ms is not None or other.released_ms is not None:
        return False
    if own.kind is not other.kind or (own.day, own.digest) != (other.day, other.digest):
        return False
    if own.kind is Kind.WHOLE:
        return True
    if own.kind is Kind.TIME:
        rules = _rules(own.day)
        sightings = [_sighting(row, name, rules) for row, name in ((own, "own"), (other, "other"))]
        if all(each is not None for each in sightings):
            one, two = sightings
            assert one is not None and two is not None  # noqa: S101, PT018 - just looked at
            return decide(one, two, rules).claimed
    if min(own.end_s - own.start_s, other.end_s - other.start_s) < 1:
        return False
    return overlap_s(trimmed(own.start_s, own.end_s), trimmed(other.start_s, other.end_s)) > 0


def _sighting(row: Exchanged, source: str, rules: SameActRules) -> Sighting | None:
    """None for scenes that have no parameters."""
    group = rules.groups.get(row.scene.partition(".")[0])
    if group is None or row.end_s <= row.start_s:
        return None
    return Sighting(source, row.scene, row.start_s, row.end_s, group.tolerance_s, row.amount)


def own_keeps(own: Exchanged, other: Exchanged, precedence: Precedence) -> bool:
    """Whether the own row keeps its credit; both deployments come to one result, whoever asks."""
    if precedence is Precedence.HOME and own.home != other.home:
        return own.home
    return (own.arrived_ms, own.reference.bytes) < (other.arrived_ms, other.reference.bytes)


def lines_of(rows: Iterable[Exchanged]) -> bytes:
    """Rows as lines, each with its end."""
    return b"".join(orjson.dumps(fields_of(row)) + b"\n" for row in rows)
