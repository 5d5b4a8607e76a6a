"""Decides platforms' claims from what was read under their tokens' locks. Pure: in order, as if one by one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.claiming.prepare import PreparedAct
    from dedup.repository import Held

CLAIMED = "claimed"
DUPLICATE = "duplicate"


@dataclass(slots=True)
class Decided:
    """An outcome: the rule that was broken and who holds the token, where it is lost."""

    act: "PreparedAct"
    reason: str | None = None
    winner_id: UUID | None = None


def holder_of(act: "PreparedAct", held: "Held") -> tuple[str, UUID] | None:
    """(reason, owner) of the first token of an act that somebody holds at its time; None where it is free."""
    for rule, token in act.whole:
        owner = held.whole.get(token)
        if owner is not None:
            return "claimed_" + rule, owner
    for rule, token, _, start, end in act.intervals:
        for other_start, other_end, owner in held.intervals.get(token, ()):
            if start < other_end and other_start < end:
                return "claimed_" + rule, owner
    return None


def decide(acts: "Iterable[PreparedAct]", held: "Held") -> list[Decided]:
    """Give each act its tokens or its winner; `held` ends as what is to be stored."""
    decided = []
    for act in acts:
        lost = holder_of(act, held)
        if lost is not None:
            decided.append(Decided(act, *lost))
            continue
        for _, token in act.whole:
            held.whole[token] = act.id
        for _, token, _, start, end in act.intervals:
            held.intervals.setdefault(token, []).append((start, end, act.id))
        decided.append(Decided(act))
    return decided
