"""What credited acts claim, under the key that neighbours have in common; written in the credit's own transaction."""

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from app.crediting.decision import window_start
from app.crediting.sameness import seen_of
from app.neighbours import repository
from app.neighbours.repository import UNKNOWN, LedgerRow, Person
from app.review.policy import city_of
from dedup.exchange import Exchanged, Kind
from dedup.periods import day_of
from dedup.tokens import TokenMaker

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    import asyncpg

    from app.crediting.decision import Candidate
    from app.crediting.prepare import Prepared, Preparer

_NOBODY = bytes(32)


class Digest(NamedTuple):
    """What an act claims under one rule on one day, as a neighbour sees it."""

    day: "datetime.date"
    digest: UUID
    kind: Kind


class Ledger:
    """Makes digests and rows. There is none where no federation is configured."""

    def __init__(self, exchange_key: bytes) -> None:
        # The function of all tokens, so that both deployments make one digest of one act; under another key.
        self._tokens = TokenMaker(exchange_key)

    def _digests(
        self, preparer: "Preparer", prepared: "Prepared", federation_key: bytes | None
    ) -> list[Digest]:
        """What an act claims. Of a person without a key in the federation, only what needs no person."""
        rule = prepared.rule
        if rule is None:
            return []
        personal = {claim.rule for claim in rule.claims if "person" in claim.parts}
        if not federation_key and len(personal) == len(rule.claims):
            return []
        whole, intervals = preparer.claims_under(self._tokens, prepared, federation_key or _NOBODY)
        periods = {claim.rule: claim.period for claim in rule.claims}
        found = [
            Digest(_first_day(periods[name], prepared.started_s), token, Kind.WHOLE)
            for name, token in whole
            if federation_key or name not in personal
        ]
        found += [
            Digest(each, token, Kind.TIME if name in personal else Kind.USE)
            for name, token, each, _, _ in intervals
            if federation_key or name not in personal
        ]
        return found

    def claims(
        self, preparer: "Preparer", prepared: "Prepared", person: Person, reference: UUID, arrived_ms: int
    ) -> list[Exchanged]:
        """What an act claims, as it is told to neighbours."""
        home = city_of(person.region) == city_of(prepared.region) != ""
        amount = seen_of(prepared.source_id, prepared.scene, prepared.started_s, prepared.inputs)[2]
        return [
            Exchanged(
                digest.day,
                digest.digest,
                digest.kind,
                reference,
                prepared.scene,
                prepared.started_s,
                prepared.ended_s,
                arrived_ms,
                None,
                home,
                amount,
            )
            for digest in dict.fromkeys(self._digests(preparer, prepared, person.federation_key))
        ]

    async def rows(
        self, driver: "asyncpg.Connection", preparer: "Preparer", candidates: "Sequence[Candidate]"
    ) -> list[LedgerRow]:
        """The rows of those that are credited. One read of a batch's holders."""
        earning = [each for each in candidates if each.earns]
        if not earning:
            return []
        people = await repository.people(driver, list({each.holder_id for each in earning}))
        return [
            (claim, each.prepared.region, each.prepared.elsewhere is None)
            for each in earning
            for claim in self.claims(
                preparer, each.prepared, people.get(each.holder_id, UNKNOWN), each.activity_id, 0
            )
        ]


def _first_day(period: str, started_s: int) -> "datetime.date":
    """The day that a claim for a calendar period is filed under, whichever day of it the act was on."""
    return day_of(started_s) if period == "forever" else window_start(period, started_s)
