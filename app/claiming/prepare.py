"""Turns a validated act into its tokens, by the rules and the function of the intake. Pure."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from asyncpg.pgproto.pgproto import UUID as DriverUUID

from app.crediting.prepare import CLOCK_TOLERANCE, EPOCH, MAX_ACT_S, SECOND, Interval, Prepared, missing_of
from app.crediting.sameness import look
from dedup.encoding import decoded
from dedup.periods import day_of

if TYPE_CHECKING:
    from app.claiming.schemas import ActInput
    from app.crediting.prepare import Preparer
    from dedup.repository import Seen
    from dedup.tokens import TokenMaker


class PreparedAct(Prepared):
    """An act on its way to its claims. The person keys are gone, only tokens are left."""

    __slots__ = ("claim_id", "first_day", "id", "intervals", "last_day", "near", "seen", "whole")

    claim_id: str
    id: UUID
    first_day: datetime.date
    last_day: datetime.date
    whole: list[tuple[str, UUID]]
    intervals: list[Interval]
    near: list[tuple[UUID, datetime.date]]
    seen: "Seen | None"

    @property
    def prepared(self) -> "PreparedAct":
        """Itself: what is compared of an act is asked of this."""
        return self


def prepare(
    preparer: "Preparer",
    tokens: "TokenMaker",
    act: "ActInput",
    organisation_id: UUID,
    now: datetime.datetime,
    claim_id: str | None = None,
) -> PreparedAct:
    """Time an act and make its tokens; `refusal` where it can claim nothing. Without `claim_id`, to be asked about.

    Raises `MethodologiesStale` where this process may have missed a text.
    """
    p = PreparedAct()
    p.source_id = organisation_id
    p.scene = act.scene
    p.region = act.region
    moment = act.occurred_at
    p.started_at = moment or act.started_at  # type: ignore[assignment]
    p.ended_at = moment or act.ended_at  # type: ignore[assignment]
    p.started_s = (p.started_at - EPOCH) // SECOND
    p.ended_s = (p.ended_at - EPOCH) // SECOND
    p.issuer = act.issuer or organisation_id.hex
    p.numbers = numbers = {}
    if act.order_no is not None:
        numbers["order_no"] = act.order_no
    if act.bill_no is not None:
        numbers["bill_no"] = act.bill_no
    if act.asset_id is not None:
        numbers["asset_id"] = act.asset_id
    p.inputs = amounts = {}
    if act.distance_m is not None:
        amounts["distance_m"] = act.distance_m
    if act.energy_wh is not None:
        amounts["energy_wh"] = act.energy_wh
    p.first_day = day_of(p.started_s)
    p.last_day = day_of(p.ended_s)
    p.whole, p.intervals, p.near, p.seen = [], [], [], None
    p.rule = preparer.rules_at(now).select(p.region, p.scene, p.first_day)
    p.refusal = _refusal(p, now)
    if p.refusal is None:
        keys = b"".join(map(decoded, act.person_keys))
        p.whole, p.intervals = preparer.claims(p, keys)
        if not p.whole and not p.intervals:
            p.refusal = "nothing_to_claim"
        look(p, keys, tokens)
    if claim_id is not None:
        p.claim_id = claim_id
        p.id = DriverUUID(tokens.platform_claim(organisation_id.bytes, claim_id))
        body = [p.scene, p.region, p.started_s, p.ended_s, numbers, act.issuer]
        if amounts:
            body.append(amounts)
        p.mac = tokens.body_mac(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
    return p


def _refusal(p: PreparedAct, now: datetime.datetime) -> str | None:
    """Why an act can claim nothing. What it would earn, or whether the region excludes it, is no matter here."""
    if p.rule is None:
        return "no_methodology"
    if p.ended_at > now + CLOCK_TOLERANCE:
        return "in_future"
    if p.ended_s - p.started_s > MAX_ACT_S:
        return "implausible_duration"
    within = p.rule.report_within_days
    if within is not None and (day_of(int(now.timestamp())) - p.first_day).days > within:
        return "reported_late"
    return next(
        (f"missing_{part}" for claim in p.rule.claims if claim.required and (part := missing_of(claim, p))),
        None,
    )
