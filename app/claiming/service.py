"""Claims of platforms with accounts of their own: the tokens of the intake, its statements, and no credit.

`claim` runs inside a transaction that its caller commits. Tokens are taken in one statement, in token order, and who
holds the others is read by the next.
"""

import datetime
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

import orjson

import dedup.repository as tokens
from app.claiming.decision import CLAIMED, DUPLICATE, Decided, decide
from dedup import platform_claims
from dedup.writes import Writes

if TYPE_CHECKING:
    import asyncpg

    from app.claiming.prepare import PreparedAct
    from dedup.platform_claims import ClaimRow
    from dedup.repository import Held, IntervalRow
    from dedup.sightings import Clocks

REJECTED: Final = "rejected"


@dataclass(frozen=True, slots=True)
class Result:
    """What a claim is answered with."""

    outcome: str
    reason: str | None = None
    id: UUID | None = None
    winner_id: UUID | None = None
    released_at: datetime.datetime | None = None
    replayed: bool = False


CONFLICT = Result(REJECTED, "claim_id_conflict")


async def claim(
    driver: "asyncpg.Connection",
    organisation_id: UUID,
    batch: Sequence["PreparedAct"],
    now: datetime.datetime,
    clocks: "Clocks",
) -> list[Result]:
    """Answer one platform's claims, in order. What is refused leaves nothing behind, and may come again mended.

    Raises asyncpg's unique violation where the same claim was written by another transaction meanwhile: try again.
    """
    first_of: dict[UUID, PreparedAct] = {}
    for act in batch:
        first_of.setdefault(act.id, act)
    known = await platform_claims.read_claims(driver, list(first_of))
    fresh = [act for act in first_of.values() if act.refusal is None and act.id not in known]
    results = {
        decided.act.id: _result(decided)
        for decided in await _claim(driver, organisation_id, fresh, now, clocks)
    }
    answers = []
    for act in batch:
        row = known.get(act.id)
        if row is not None:
            same = hmac.compare_digest(row[0], act.mac)
            answers.append(
                Result(row[1], row[2], act.id, row[3], row[4], replayed=True) if same else CONFLICT
            )
        elif act.id not in results:
            answers.append(Result(REJECTED, act.refusal))
        elif first_of[act.id] is act:
            answers.append(results[act.id])
        else:
            same = hmac.compare_digest(first_of[act.id].mac, act.mac)
            answers.append(replace(results[act.id], replayed=True) if same else CONFLICT)
    return answers


async def _claim(
    driver: "asyncpg.Connection",
    organisation_id: UUID,
    acts: "Sequence[PreparedAct]",
    now: datetime.datetime,
    clocks: "Clocks",
) -> list[Decided]:
    if not acts:
        return []
    wanted: dict[UUID, UUID] = {}
    for act in acts:
        for _, token in act.whole:
            wanted.setdefault(token, act.id)
    intervals = {(token, day) for act in acts for _, token, day, _, _ in act.intervals}
    intervals.update(near for act in acts for near in act.near)
    held = await tokens.take(driver, (), wanted, intervals)
    decided = decide(acts, held, clocks)
    writes = Writes()
    _correct_whole(writes, held)
    rows, claimed = _rows(decided)
    platform_claims.write_claims(writes, organisation_id, rows, now)
    if claimed:
        tokens.write_interval_claims(writes, claimed)
    await writes.execute(driver)
    return decided


def _correct_whole(writes: Writes, held: "Held") -> None:
    """Tokens were taken for the first act that wanted them; give each to the act that holds it, and the rest back."""
    moved = [token for token, owner in held.acquired.items() if held.whole.get(token, owner) != owner]
    if moved:
        tokens.hand_over_whole(writes, moved, [held.whole[token] for token in moved])
    unused = [token for token in held.acquired if token not in held.whole]
    if unused:
        tokens.release_whole(writes, unused, [held.acquired[token] for token in unused])


def _rows(decided: list[Decided]) -> "tuple[list[ClaimRow], list[IntervalRow]]":
    rows: list[ClaimRow] = []
    intervals: list[IntervalRow] = []
    for each in decided:
        act, refusal = each.act, each.refusal
        kept = b""
        if refusal is None:
            seen = act.seen or tokens.NOTHING_SEEN
            kept = b"".join(token.bytes for _, token in act.whole)
            for _, token, day, start, end in act.intervals:
                kept += token.bytes
                intervals.append((token, day, act.id, start, end, act.started_s, act.ended_s, seen))
            outcome, reason, winner, told = CLAIMED, None, None, None
        else:
            outcome, reason, winner = DUPLICATE, refusal.reason, refusal.winner
            told = None if refusal.comparison is None else orjson.dumps(refusal.comparison).decode()
        rows.append(
            (
                *(act.id, act.mac, act.scene, act.region, outcome, reason, winner, kept),
                *(act.first_day, act.last_day, told),
            )
        )
    return rows, intervals


def _result(decided: Decided) -> Result:
    refusal = decided.refusal
    if refusal is None:
        return Result(CLAIMED, None, decided.act.id)
    return Result(DUPLICATE, refusal.reason, decided.act.id, refusal.winner)
