"""Decides platforms' claims from what was read under their tokens' locks. Pure: in order, as if one by one.

Whether two acts are one is decided by the function of the intake: an act meets the same answer at either door.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.crediting.sameness import Refusal, conflict, own_of, refusal_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.claiming.prepare import PreparedAct
    from dedup.repository import Held
    from dedup.sightings import Clocks

CLAIMED = "claimed"
DUPLICATE = "duplicate"


@dataclass(slots=True)
class Decided:
    """An outcome, and why where it is lost."""

    act: "PreparedAct"
    refusal: Refusal | None = None


def lost(act: "PreparedAct", held: "Held", clocks: "Clocks") -> Refusal | None:
    """Why an act cannot be claimed; None where it can, its claims perhaps cut."""
    for rule, token in act.whole:
        owner = held.whole.get(token)
        if owner is not None:
            return Refusal(rule, owner, None)
    if act.seen is not None:
        return refusal_of(act, held, clocks)
    met = conflict(act, held)
    return None if met is None else Refusal(*met, None)


def decide(acts: "Iterable[PreparedAct]", held: "Held", clocks: "Clocks") -> list[Decided]:
    """Give each act its tokens or its winner; `held` ends as what is to be stored."""
    decided = []
    for act in acts:
        refusal = lost(act, held, clocks)
        if refusal is not None:
            decided.append(Decided(act, refusal))
            continue
        for _, token in act.whole:
            held.whole[token] = act.id
        for _, token, _, start, end in act.intervals:
            held.intervals.setdefault(token, []).append((start, end, act.id))
        own = own_of(act)
        if own is not None:
            held.seen[act.id] = own
        decided.append(Decided(act))
    return decided
