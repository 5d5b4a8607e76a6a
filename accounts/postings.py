"""Booking what is no credit of an activity: entries and the stored balances that they change, as one write."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from accounts.ids import epoch_ms, uuid7_batch
from accounts.models import AccountKind, EntryKind
from dedup.writes import Writes, columns

STORED = {
    AccountKind.HOLDER_OPEN: "open_mg",
    AccountKind.HOLDER_ISSUED: "issued_mg",
    AccountKind.HOLDER_USED: "used_mg",
    AccountKind.HOLDER_EXCLUDED: "excluded_mg",
    AccountKind.HOLDER_POINTS: "points",
    AccountKind.HOLDER_HELD: "held_points",
    AccountKind.HOLDER_OWED: "owed_points",
}
"""Account of a holder → the column of `balances` that keeps its sum."""

_COLUMNS = tuple(STORED.values())


@dataclass(frozen=True, slots=True)
class Posting:
    """One entry to book: `amount` (> 0; mg or points) of an asset from the debit to the credit account.

    `cause_id` is what it is booked for; `party_id` whose a system's account is, where there are many of that kind.
    """

    holder_id: UUID
    cause_id: UUID
    asset_id: int
    kind: EntryKind
    debit: AccountKind
    credit: AccountKind
    amount: int
    party_id: UUID | None = None


def post(writes: Writes, postings: Sequence[Posting], booked_at: datetime.datetime) -> None:
    """Append the entries and change the balances of locked holders; one that would become negative fails the write."""
    append_entries(writes, postings, booked_at)
    _change_balances(writes, postings)


def append_entries(writes: Writes, postings: Sequence[Posting], booked_at: datetime.datetime) -> None:
    """Append the entries alone, for a write that changes the same balances otherwise as well."""
    if not postings:
        return
    ids = uuid7_batch(epoch_ms(booked_at), len(postings))
    writes.add(
        """
        INSERT INTO entries (holder_id, id, cause_id, asset_id, kind, debit, credit, amount, party_id, booked_at)
        SELECT e.*, (SELECT tanpuhui_booked_at($10, $4)) FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[],
            $5::smallint[], $6::smallint[], $7::smallint[], $8::bigint[], $9::uuid[]) AS e
        """,
        *columns(
            [
                (
                    p.holder_id,
                    entry_id,
                    p.cause_id,
                    p.asset_id,
                    p.kind,
                    p.debit,
                    p.credit,
                    p.amount,
                    p.party_id,
                )
                for p, entry_id in zip(postings, ids, strict=True)
            ]
        ),
        booked_at,
    )


def _change_balances(writes: Writes, postings: Sequence[Posting]) -> None:
    changes: dict[UUID, dict[str, int]] = {}
    for p in postings:
        # What is owed grows by its debit side; all other accounts of a holder by their credit side.
        for account, sign in ((p.credit, 1), (p.debit, -1)):
            if account in STORED:
                change = changes.setdefault(p.holder_id, dict.fromkeys(_COLUMNS, 0))
                change[STORED[account]] += (
                    -sign * p.amount if account is AccountKind.HOLDER_OWED else sign * p.amount
                )
    if changes:
        writes.add(
            f"""
            UPDATE balances b SET {", ".join(f"{name} = b.{name} + d.{name}" for name in _COLUMNS)}
            FROM unnest($1::uuid[], {", ".join(f"${place}::bigint[]" for place in range(2, len(_COLUMNS) + 2))})
                AS d (holder_id, {", ".join(_COLUMNS)})
            WHERE b.holder_id = d.holder_id
            """,
            list(changes),
            *([change[name] for change in changes.values()] for name in _COLUMNS),
        )
