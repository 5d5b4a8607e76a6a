"""What holders owe: points of a reversed credit that are no longer there. Repaid first from later credits."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.models import AccountKind, EntryKind
from accounts.postings import Posting, post
from dedup.periods import LOCAL
from dedup.writes import Writes
from points import repository
from points.repository import Part

if TYPE_CHECKING:
    import asyncpg

    from points.programmes import SpentReversal

Owed = dict[tuple[UUID, int], int]
"""(holder, asset) → points."""


@dataclass(frozen=True, slots=True)
class Undoing:
    """Points of one credit that are to be taken back: what for, and the lot that they were earned into.

    `party_id` is whose money it was where it was not the programme's own: a campaign.
    """

    holder_id: UUID
    cause_id: UUID
    earned: Part
    party_id: UUID | None = None


async def read_owed(driver: "asyncpg.Connection", holder_ids: Sequence[UUID]) -> Owed:
    """What locked holders owe, of each asset."""
    rows = await driver.fetch(
        "SELECT holder_id, asset_id, owed FROM receivables WHERE holder_id = ANY($1::uuid[]) AND owed > 0",
        holder_ids,
    )
    return {(row[0], row[1]): row[2] for row in rows}


def owe(writes: Writes, more: Mapping[tuple[UUID, int], int]) -> None:
    """Have locked holders owe more, one row for each holder and asset."""
    if more:
        writes.add(
            """
            INSERT INTO receivables AS r (holder_id, asset_id, owed)
            SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[])
            ON CONFLICT (holder_id, asset_id) DO UPDATE SET owed = r.owed + excluded.owed
            """,
            [key[0] for key in more],
            [key[1] for key in more],
            list(more.values()),
        )


def repay(writes: Writes, repaid: Mapping[tuple[UUID, int], int]) -> None:
    """Have locked holders owe less, one row for each holder and asset; never less than nothing."""
    if repaid:
        writes.add(
            """
            UPDATE receivables r SET owed = r.owed - p.points
            FROM unnest($1::uuid[], $2::int[], $3::bigint[]) AS p (holder, asset, points)
            WHERE r.holder_id = p.holder AND r.asset_id = p.asset
            """,
            [key[0] for key in repaid],
            [key[1] for key in repaid],
            list(repaid.values()),
        )


async def take_back(
    driver: "asyncpg.Connection", undone: Undoing, policy: "SpentReversal", now: datetime.datetime
) -> int:
    """Take points of a locked holder back: from their lot, then as the programme says, down to the last one.

    Answers how many are lost, being neither there nor owed.

    What has expired is not there, whether it was swept already or not, so that the books do not depend on when the
    expiry ran.
    """
    today = now.astimezone(LOCAL).date()
    lots = (await repository.read_lots(driver, [undone.holder_id], today)).get(undone.holder_id, [])
    own, others, missing = _split(lots, undone.earned, other_lots=policy.other_lots)
    moved = own + sum(part.points for part in others)
    writes = Writes()
    postings = []
    if moved:
        postings.append(_posting(undone, EntryKind.REVERSAL, AccountKind.HOLDER_POINTS, moved))
    if missing:
        owes = policy.shortfall == "receivable"
        account = AccountKind.HOLDER_OWED if owes else AccountKind.LOSS
        postings.append(_posting(undone, EntryKind.SHORTFALL, account, missing))
        if owes:
            owe(writes, {(undone.holder_id, undone.earned.asset_id): missing})
    post(writes, postings, now)
    if own:
        part = Part(undone.earned.asset_id, undone.earned.expires_on, own)
        repository.undo_earning(writes, undone.holder_id, part)
    repository.change_lots(
        writes, [(undone.holder_id, Part(part.asset_id, part.expires_on, -part.points)) for part in others]
    )
    await writes.execute(driver)
    return missing if policy.shortfall == "loss" else 0


def _split(lots: Sequence[Part], earned: Part, *, other_lots: bool) -> tuple[int, list[Part], int]:
    """What comes from the lot itself, what from others of the same points, and what is missing."""
    same = [lot for lot in lots if lot.asset_id == earned.asset_id]
    own = sum(min(lot.points, earned.points) for lot in same if lot.expires_on == earned.expires_on)
    missing = earned.points - own
    if not other_lots:
        return own, [], missing
    rest = [lot for lot in same if lot.expires_on != earned.expires_on]
    there = min(missing, sum(lot.points for lot in rest))
    return own, repository.earliest_first(rest, there) or [], missing - there


def _posting(undone: Undoing, kind: EntryKind, account: AccountKind, points: int) -> Posting:
    return Posting(
        holder_id=undone.holder_id,
        cause_id=undone.cause_id,
        asset_id=undone.earned.asset_id,
        kind=kind,
        debit=account,
        credit=AccountKind.PROGRAMME,
        amount=points,
        party_id=undone.party_id,
    )
