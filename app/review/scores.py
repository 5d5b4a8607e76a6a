"""Scores of an act against what is known of its person and its device. Pure integers, each with its evidence.

Only regions and times of acts are stored, so the way between two trips is told by their cities and the time between
them, not by places within a city.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.ids import public_id
from app.review.policy import city_of

if TYPE_CHECKING:
    from app.review.policy import CapBurst, Counted, ImpossibleTravel

CERTAIN = 100
DAY_S = 86_400
UTC_OFFSET_S = 8 * 3600


@dataclass(frozen=True, slots=True)
class Trace:
    """What is kept of an act for so long as signals look back. Times in epoch seconds, distance in m."""

    activity_id: UUID
    holder_id: UUID
    scene: str
    region: str
    start_s: int
    end_s: int
    distance_m: int | None
    device: UUID | None


@dataclass(frozen=True, slots=True)
class Signal:
    """What a signal says of an act: its score of 100, and why. The evidence holds no identifier and no token."""

    name: str
    score: int
    evidence: dict[str, Any]


def travel(act: Trace, others: Sequence[Trace], watch: "ImpossibleTravel") -> Signal | None:
    """How much of the time that the way to or from another city takes is missing, in percent."""
    worst: Signal | None = None
    if not _is_trip(act) or not _city(act):
        return None
    for other in others:
        if not _is_trip(other) or not _city(other) or _city(other) == _city(act):
            continue
        needed_s = 60 * watch.least_minutes(_city(other), _city(act))
        first, second = (other, act) if other.start_s <= act.start_s else (act, other)
        between_s = max(0, second.start_s - first.end_s)
        if between_s >= needed_s:
            continue
        score = CERTAIN * (needed_s - between_s) // needed_s
        if score and (worst is None or score > worst.score):
            worst = Signal(
                "impossible_travel",
                score,
                {
                    "other_activity_id": public_id("act", other.activity_id),
                    "regions": [first.region, second.region],
                    "between_s": between_s,
                    "least_s": needed_s,
                },
            )
    return worst


def repeated(act: Trace, others: Sequence[Trace], watch: "Counted") -> Signal | None:
    """On how many other days there was the very same trip."""
    if not _is_trip(act) or act.distance_m is None or act.end_s <= act.start_s:
        return None
    shape = _shape(act)
    days = {
        _day(other)
        for other in others
        if _day(other) != _day(act)
        and abs(other.start_s - act.start_s) <= watch.days * DAY_S
        and _shape(other) == shape
    }
    return _counted("repeated_trip", "other_days", len(days), watch)


def devices(act: Trace, others: Sequence[Trace], watch: "Counted") -> Signal | None:
    """How many other devices the account was used from."""
    if act.device is None:
        return None
    found = {
        other.device
        for other in others
        if other.device is not None
        and other.device != act.device
        and 0 <= act.start_s - other.start_s <= watch.days * DAY_S
    }
    return _counted("many_devices", "other_devices", len(found), watch)


def accounts(act: Trace, of_device: Collection[tuple[UUID, int]], watch: "Counted") -> Signal | None:
    """How many other accounts used the device: (holder, start of an act) of it."""
    found = {
        holder
        for holder, start_s in of_device
        if holder != act.holder_id and abs(act.start_s - start_s) <= watch.days * DAY_S
    }
    return _counted("many_accounts", "other_accounts", len(found), watch)


def burst(act: Trace, others: Sequence[Trace], watch: "CapBurst", *, at_edge: bool) -> Signal | None:
    """How many acts of the scene came shortly after one another, where this one reaches a cap's edge."""
    if not at_edge:
        return None
    near = [
        other
        for other in others
        if other.scene == act.scene and 0 <= act.start_s - other.start_s <= watch.minutes * 60
    ]
    return _of_number("cap_burst", {"acts": len(near) + 1}, len(near), watch.certain_at)


def _counted(name: str, what: str, number: int, watch: "Counted") -> Signal | None:
    return _of_number(name, {what: number, "days": watch.days}, number, watch.certain_at)


def _of_number(name: str, evidence: dict[str, Any], number: int, certain_at: int) -> Signal | None:
    score = min(CERTAIN, CERTAIN * number // certain_at)
    return Signal(name, score, evidence) if score else None


def _is_trip(act: Trace) -> bool:
    return act.scene.startswith("trip.")


def _city(act: Trace) -> str:
    return city_of(act.region)


def _day(act: Trace) -> int:
    return (act.start_s + UTC_OFFSET_S) // DAY_S


def _shape(act: Trace) -> tuple[str, str, int, int, int | None]:
    return (act.scene, _city(act), act.start_s % DAY_S, act.end_s - act.start_s, act.distance_m)
