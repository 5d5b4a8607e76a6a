"""What a group of redemptions reads, and gathers to write while it is decided item by item. Pure."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.models import AccountKind, EntryKind
from accounts.postings import Posting, post
from points import redemption_repository as repository
from points.redemption_states import Delivery, Redemption, State, Terms
from points.repository import Part, change_lots, earliest_first

if TYPE_CHECKING:
    from dedup.writes import Writes
    from points.redemption_repository import GivenCode, LimitKey

RestoredDays = Callable[[str], int]
"""Region → days for which a refund restores points that expired meanwhile; 0: they go to breakage."""


@dataclass(slots=True)
class Book:
    """State of the locked holders and offers, changed in memory as items are decided, and the rows that follow."""

    now: datetime.datetime
    today: datetime.date
    hold: datetime.timedelta
    restored_days: RestoredDays
    statuses: dict[UUID, int] = field(default_factory=dict)
    terms: dict[UUID, Terms] = field(default_factory=dict)
    remaining: dict[UUID, int] = field(default_factory=dict)
    lots: dict[UUID, list[Part]] = field(default_factory=dict)
    used: "dict[LimitKey, int]" = field(default_factory=dict)
    free_codes: dict[UUID, list[str]] = field(default_factory=dict)
    redemptions: dict[UUID, Redemption] = field(default_factory=dict)
    parts: dict[UUID, list[Part]] = field(default_factory=dict)

    turned: dict[UUID, Redemption] = field(default_factory=dict)
    """What came to another state."""
    _new: dict[UUID, Redemption] = field(default_factory=dict)
    _changed: dict[UUID, Redemption] = field(default_factory=dict)
    _postings: list[Posting] = field(default_factory=list)
    _lots: list[tuple[UUID, Part]] = field(default_factory=list)
    _restored: list[tuple[UUID, Part]] = field(default_factory=list)
    _stock: dict[UUID, int] = field(default_factory=dict)
    _caps: "dict[LimitKey, int]" = field(default_factory=dict)
    _generated: "list[GivenCode]" = field(default_factory=list)
    _from_pool: "list[GivenCode]" = field(default_factory=list)

    def take_points(self, holder_id: UUID, asset_id: int, points: int) -> list[Part] | None:
        """Points out of a holder's lots of one programme, the earliest first; None where they do not suffice."""
        lots = self.lots.get(holder_id, [])
        parts = earliest_first([lot for lot in lots if lot.asset_id == asset_id], points)
        if parts is None:
            return None
        taken = {(part.asset_id, part.expires_on): part.points for part in parts}
        self.lots[holder_id] = [
            Part(lot.asset_id, lot.expires_on, lot.points - taken.get((lot.asset_id, lot.expires_on), 0))
            for lot in lots
        ]
        self._lots += [(holder_id, Part(p.asset_id, p.expires_on, -p.points)) for p in parts]
        return parts

    def give_points(self, redemption: Redemption, source: AccountKind, kind: EntryKind) -> None:
        """Points of a redemption back to the lots they came from, with their old expiry.

        What has expired meanwhile and was spent is restored for some days or goes to breakage, as the programme says.
        A hold that is released gives back as it took: what expired goes the way of all that expires.
        """
        terms = redemption.terms
        days = self.restored_days(terms.region) if terms is not None else 0
        back = lost = 0
        for part in self.parts.get(redemption.id, ()):
            if source is AccountKind.HOLDER_HELD or part.expires_on > self.today:
                self._lots.append((redemption.holder_id, part))
                self._put(redemption.holder_id, part)
                back += part.points
            elif days > 0:
                until = self.today + datetime.timedelta(days=days)
                restored = Part(part.asset_id, until, part.points)
                self._restored.append((redemption.holder_id, restored))
                self._put(redemption.holder_id, restored)
                back += part.points
            else:
                lost += part.points
        if back:
            self.move_points(redemption, kind, source, AccountKind.HOLDER_POINTS, back)
        if lost:
            self.move_points(redemption, kind, source, AccountKind.BREAKAGE, lost)

    def _put(self, holder_id: UUID, part: Part) -> None:
        """Let a later order of the group take what was given back, from the same lot."""
        lots = self.lots.get(holder_id)
        if lots is None or part.expires_on <= self.today:
            return
        for place, lot in enumerate(lots):
            if (lot.asset_id, lot.expires_on) == (part.asset_id, part.expires_on):
                lots[place] = Part(lot.asset_id, lot.expires_on, lot.points + part.points)
                return
        lots.append(part)

    def move_points(
        self,
        redemption: Redemption,
        kind: EntryKind,
        debit: AccountKind,
        credit: AccountKind,
        amount: int | None = None,
    ) -> None:
        """Book points of a redemption from the debit to the credit account; all of them where no amount is named."""
        terms = redemption.terms
        if terms is None or terms.points_asset_id is None:
            raise LookupError("a redemption's offer was reviewed, and so knows its asset")
        self._post(redemption, terms.points_asset_id, kind, debit, credit, amount or redemption.points)

    def owe(self, redemption: Redemption, kind: EntryKind, debit: AccountKind, credit: AccountKind) -> None:
        """Book what the programme owes the merchant for a redemption, fen."""
        terms = redemption.terms
        if redemption.settle_fen and terms is not None and terms.money_asset_id is not None:
            self._post(redemption, terms.money_asset_id, kind, debit, credit, redemption.settle_fen)

    def _post(
        self,
        redemption: Redemption,
        asset_id: int,
        kind: EntryKind,
        debit: AccountKind,
        credit: AccountKind,
        amount: int,
    ) -> None:
        party = redemption.merchant_id if AccountKind.MERCHANT in (debit, credit) else None
        self._postings.append(
            Posting(redemption.holder_id, redemption.id, asset_id, kind, debit, credit, amount, party)
        )

    def count(self, redemption: Redemption, sign: int) -> None:
        """Take stock and limits for a redemption (1), or return both (-1)."""
        terms = redemption.terms
        if terms is None:
            return
        redemption.counted = sign > 0
        if terms.limited:
            change = -sign * redemption.quantity
            self.remaining[terms.id] = self.remaining.get(terms.id, 0) + change
            self._stock[terms.id] = self._stock.get(terms.id, 0) + change
        for day, cap in terms.limits(redemption.ordered_on):
            key = (redemption.holder_id, terms.id, day)
            self.used[key] = self.used.get(key, 0) + sign * redemption.quantity
            self._caps[key] = cap

    def open(self, redemption: Redemption, parts: list[Part]) -> None:
        """Take on a new redemption."""
        self.redemptions[redemption.id] = self._new[redemption.id] = redemption
        self.parts[redemption.id] = parts

    def turn(self, redemption: Redemption, state: State) -> None:
        """Give a redemption its next state."""
        redemption.state = state
        self.turned[redemption.id] = redemption
        if state not in (State.CONFIRMED, State.FULFILLED):
            redemption.ended_at = self.now
        self.keep(redemption)

    def keep(self, redemption: Redemption) -> None:
        """Have what changed of a redemption written."""
        if redemption.id not in self._new:
            self._changed[redemption.id] = redemption

    def give_code(self, redemption: Redemption, code: str) -> None:
        """Give a text code to a redemption."""
        redemption.code = code
        row = (redemption.merchant_id, code, redemption.offer_id, redemption.holder_id, redemption.id)
        pool = redemption.terms is not None and redemption.terms.delivery == Delivery.POOL
        (self._from_pool if pool else self._generated).append(row)

    def write(self, writes: "Writes") -> None:
        """Hand over everything that was gathered, as parts of one statement."""
        if self._new:
            repository.write_new(
                writes,
                list(self._new.values()),
                [(r.holder_id, r.id, part) for r in self._new.values() for part in self.parts[r.id]],
            )
        if self._changed:
            repository.write_changed(writes, list(self._changed.values()))
        post(writes, self._postings, self.now)
        change_lots(writes, self._lots, self._restored, self.now)
        if self._stock:
            repository.change_stock(writes, self._stock)
        if self._caps:
            rows = [(*key, self.used[key], cap) for key, cap in self._caps.items()]
            repository.write_limits(writes, rows)
        if self._generated:
            repository.write_generated_codes(writes, self._generated)
        if self._from_pool:
            repository.give_pool_codes(writes, self._from_pool)
