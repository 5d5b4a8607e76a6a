"""Whether an act is one that its person has claimed already: the decision of `dedup` before the claims' guard.

One function for both doors, reports of the intake and claims of platforms with accounts of their own: `refusal`. Pure.
The claims stay the last word: two live ones on a token never overlap. Where the decision says that two acts are
different and they overlap by no more than two clocks can differ, the later claim is cut where the claims overlap, to a
quarter of its act in all; where that is not enough, it is refused.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

from accounts.ids import owner_id
from app.crediting.models import Outcome
from dedup.periods import DAY_S, UTC_OFFSET_S, by_local_day, day_of
from dedup.person_key import PERSON_KEY_BYTES
from dedup.repository import NOTHING_SEEN
from dedup.resolving import Held, Resolution, resolve
from dedup.same_act import Decision, decide
from dedup.same_act_rules import load_rules, rules_on
from dedup.sightings import Clocks, Sighting

if TYPE_CHECKING:
    from app.crediting.decision import Candidate, State
    from app.crediting.prepare import Interval, Prepared
    from app.crediting.rules import Rule
    from dedup.repository import Remembered, Seen
    from dedup.same_act_rules import SameActRules
    from dedup.tokens import TokenMaker

PARAMETERS: Final = load_rules()
MOST_CUT: Final = 4
"""A claim loses at most one part in so many of its act."""
_ISSUERS_KEPT: Final = 4_096


class Claimant(Protocol):
    """An act on its way to its claims, at either door."""

    whole: list[tuple[str, UUID]]
    intervals: "list[Interval]"
    near: list[tuple[UUID, datetime.date]]
    """Tokens of the days next to those of the act, where something within reach of it may be held."""
    seen: "Seen | None"
    """What later acts of the person are compared with; None where it claims no time of a person."""

    @property
    def prepared(self) -> "Prepared":
        """What is known of the act before the database is asked."""
        ...


class Taken(Protocol):
    """What was read under the locks of the tokens, with what the batch has added to it."""

    intervals: dict[UUID, list[tuple[int, int, UUID]]]
    seen: "dict[UUID, Remembered]"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an act claims nothing: the claim that was broken, who holds it, and the decision where two were compared."""

    rule: str
    winner: UUID
    comparison: dict[str, Any] | None

    @property
    def reason(self) -> str:
        """The stable code that the loser is told."""
        return "claimed_" + self.rule


@lru_cache(_ISSUERS_KEPT)
def parameters_on(day: datetime.date) -> "SameActRules":
    """The parameters in force on a local day."""
    return rules_on(PARAMETERS, day)


@lru_cache(_ISSUERS_KEPT)
def _issuer_token(tokens: "TokenMaker", issuer: str) -> UUID:
    token: UUID = DriverUUID(tokens.once("issuer", "", issuer))
    return token


@lru_cache(_ISSUERS_KEPT)
def _compared(day: datetime.date, scene: str) -> tuple[str, int] | None:
    """What a scene measures, and how far around an act others are looked for, s; None for scenes not compared."""
    parameters = parameters_on(day)
    group = parameters.groups.get(scene.partition(".")[0])
    return None if group is None else (group.amount, parameters.reach_s)


def parameters_of(prepared: "Prepared") -> "SameActRules":
    """The parameters in force on the act's own day."""
    return parameters_on(day_of(prepared.started_s))


def arm(candidate: "Candidate", tokens: "TokenMaker") -> None:
    """Tell what is seen of a candidate that claims its person's time, and the tokens of the days within reach of it."""
    look(candidate, candidate.person_key, tokens)


def look(claimant: Claimant, person_keys: bytes, tokens: "TokenMaker") -> None:
    """Set what is seen of an act, and what is near it, under each of its person's keys (32 bytes each).

    Every claim comes through here, so nothing is made that only a comparison needs.
    """
    body = _body_rule(claimant)
    if body is None:
        return
    prepared = claimant.prepared
    started_s = prepared.started_s
    compared = _compared(day_of(started_s), prepared.scene)
    if compared is None:
        return
    name, reach_s = compared
    number = _number(claimant)
    claimant.seen = (
        prepared.source_id,
        prepared.scene,
        _amount(prepared.inputs, name),
        None if number is None else _issuer_token(tokens, prepared.issuer),
        number,
    )
    since_midnight_s = (started_s + UTC_OFFSET_S) % DAY_S
    until_s = since_midnight_s + prepared.ended_s - started_s
    if since_midnight_s < reach_s or until_s >= DAY_S - reach_s:
        _look_near(claimant, person_keys, tokens, body, reach_s)


def seen_of(source_id: UUID, scene: str, started_s: int, inputs: Mapping[str, Any]) -> "Seen":
    """What later reports are compared with, of an act whose numbers are kept as tokens only."""
    compared = _compared(day_of(started_s), scene)
    return NOTHING_SEEN if compared is None else (source_id, scene, _amount(inputs, compared[0]), None, None)


def _amount(inputs: Mapping[str, Any], name: str) -> int | None:
    amount = inputs.get(name)
    return amount if isinstance(amount, int) else None


def _look_near(claimant: Claimant, person_keys: bytes, tokens: "TokenMaker", body: str, reach_s: int) -> None:
    """Around midnight, what is near may be held on another day."""
    prepared = claimant.prepared
    days = {day for rule, _, day, _, _ in claimant.intervals if rule == body}
    for moment in (prepared.started_s - reach_s, prepared.ended_s + reach_s):
        if (day := day_of(moment)) not in days:
            days.add(day)
            for start in range(0, len(person_keys), PERSON_KEY_BYTES):
                token = DriverUUID(tokens.interval(person_keys[start : start + PERSON_KEY_BYTES], body, day))
                claimant.near.append((token, day))


def claims_a_body(rule: "Rule") -> bool:
    """Whether acts by a text claim their person's time, and so are compared."""
    return rule.body is not None


def reach_of(started_s: int) -> int:
    """How far from an act others are compared with it, s, by the parameters of its day."""
    return parameters_on(day_of(started_s)).reach_s


def compare_stored(
    act: "Remembered", others: "Mapping[UUID, Remembered]", clocks: Clocks
) -> Resolution[UUID] | None:
    """Decide on a stored act among what its person holds, as on a report; None where it meets nothing."""
    own = _sighting(act)
    if own is None:
        return None
    held = [Held(key, other) for key in sorted(others) if (other := _sighting(others[key])) is not None]
    return resolve(own, held, parameters_on(day_of(act[0])), clocks) if held else None


def _body_rule(claimant: Claimant) -> str | None:
    """Name of the claim on the person's own time, where the act makes it."""
    rule = claimant.prepared.rule
    return None if rule is None or not claimant.intervals else rule.body


def _number(claimant: Claimant) -> UUID | None:
    """The token of the order number, which is claimed for ever."""
    rule = claimant.prepared.rule
    if rule is None or rule.numbered is None:
        return None
    for name, token in claimant.whole:
        if name == rule.numbered:
            return token
    return None


def _sighting(remembered: "Remembered") -> Sighting | None:
    start_s, end_s, (source, scene, amount, issuer, number) = remembered
    if source is None or scene is None:
        return None
    group = parameters_on(day_of(start_s)).groups.get(scene.partition(".")[0])
    return Sighting(
        source=source.hex,
        scene=scene,
        start_s=start_s,
        end_s=end_s,
        tolerance_s=0 if group is None else group.tolerance_s,
        amount=amount,
        order=None if issuer is None or number is None else (issuer.hex, number.hex),
    )


def own_of(claimant: Claimant) -> "Remembered | None":
    """What later acts of the person are compared with; None where it claims no time of a person."""
    seen = claimant.seen
    return None if seen is None else (claimant.prepared.started_s, claimant.prepared.ended_s, seen)


def refused(candidate: "Candidate", state: "State") -> bool:
    """Whether an act that is held already, or the claims' guard, refuses the candidate; it then says why."""
    refusal = refusal_of(candidate, state, state.clocks)
    if refusal is None:
        own = own_of(candidate)
        if own is not None:
            state.seen[candidate.activity_id] = own
        return False
    candidate.outcome = Outcome.DUPLICATE
    candidate.reason, candidate.winner_id = refusal.reason, refusal.winner
    candidate.comparison = refusal.comparison
    return True


def refusal_of(claimant: Claimant, taken: Taken, clocks: Clocks) -> Refusal | None:
    """Why an act that claims its person's time cannot have it; None where it can.

    Its claim may come out cut. Raises `ValueError` for an act that claims no time of a person.
    """
    near = _near(claimant, taken)
    if near is None:
        return None
    own = own_of(claimant)
    sighting = None if own is None else _sighting(own)
    if sighting is None:
        raise ValueError("only an act that claims its person's time is compared")
    resolution = resolve(sighting, near, parameters_of(claimant.prepared), clocks) if near else None
    if resolution is not None:
        winner = resolution.winners[0]
        other = next(each.sighting for each in near if each.key == winner)
        told = _told(claimant, resolution.decision, resolution.pattern, sighting, other, clocks)
        told["winner_ids"] = [owner_id(each) for each in resolution.winners]
        return Refusal(_body_rule(claimant) or "", winner, told)
    if (met := conflict(claimant, taken)) is not None:
        _cut(claimant, taken, sighting, clocks)
        met = conflict(claimant, taken)
    return None if met is None else _guarded(claimant, taken, sighting, met, clocks)


def _guarded(
    claimant: Claimant, taken: Taken, sighting: Sighting, met: tuple[str, UUID], clocks: Clocks
) -> Refusal:
    """Refused by the claims, whatever the decision says of the two acts."""
    rule, winner = met
    other = _sighting(taken.seen[winner]) if winner in taken.seen else None
    if other is None:
        return Refusal(rule, winner, None)
    decision = decide(sighting, other, parameters_of(claimant.prepared), clocks)
    told = _told(claimant, decision, "claims", sighting, other, clocks)
    told["winner_ids"] = [owner_id(winner)]
    return Refusal(rule, winner, told)


def _near(claimant: Claimant, taken: Taken) -> list[Held[UUID]] | None:
    """What the person holds within reach, in the order of its ids, that is of booking; None where it holds nothing."""
    owners: set[UUID] = set()
    for claim in claimant.intervals:
        if claims := taken.intervals.get(claim[1]):
            owners.update(owner for _, _, owner in claims)
    for token, _ in claimant.near:
        owners.update(owner for _, _, owner in taken.intervals.get(token, ()))
    if not owners:
        return None
    prepared = claimant.prepared
    reach_s = parameters_of(prepared).reach_s
    first_s, last_s = prepared.started_s - reach_s, prepared.ended_s + reach_s
    held: list[Held[UUID]] = []
    for owner in sorted(owners):
        remembered = taken.seen.get(owner)
        if remembered is not None and remembered[0] < last_s and first_s < remembered[1]:
            sighting = _sighting(remembered)
            if sighting is not None:
                held.append(Held(owner, sighting))
    return held


def _told(
    claimant: Claimant,
    decision: Decision,
    pattern: str,
    sighting: Sighting,
    other: Sighting,
    clocks: Clocks,
) -> dict[str, Any]:
    """What is kept, and shown in the explanation."""
    clock = clocks.between(sighting, other)
    measured = clock.measured and sighting.source != other.source
    return {
        "verdict": decision.verdict.value,
        "rule": decision.rule,
        "pattern": pattern,
        "points": decision.points,
        "same_from": decision.same_from,
        "parameters": parameters_of(claimant.prepared).version,
        # How far the other platform's clock was found to be ahead of this one's.
        "clock": {"ahead_s": clock.ahead_s, "tolerance_s": clock.tolerance_s} if measured else None,
        "evidence": [
            {"feature": each.feature, "level": each.level, "value": each.value, "points": each.points}
            for each in decision.evidence
        ],
    }


def conflict(claimant: Claimant, taken: Taken) -> tuple[str, UUID] | None:
    """(rule, owner) of the first live claim that overlaps one of the act's."""
    for rule, token, _, start, end in claimant.intervals:
        for other_start, other_end, owner in taken.intervals.get(token, ()):
            if start < other_end and other_start < end:
                return rule, owner
    return None


def _cut(claimant: Claimant, taken: Taken, sighting: Sighting, clocks: Clocks) -> None:
    """Cut the claim where those of other acts overlap it, if clocks explain the overlap and a quarter is enough."""
    body = _body_rule(claimant)
    pieces = [each for each in claimant.intervals if each[0] == body]
    if body is None or not pieces:
        return
    start, end = pieces[0][3], pieces[-1][4]
    cut_start, cut_end = start, end
    for _, token, _, piece_start, piece_end in pieces:
        for other_start, other_end, owner in taken.intervals.get(token, ()):
            if not (piece_start < other_end and other_start < piece_end):
                continue
            other = _sighting(taken.seen[owner]) if owner in taken.seen else None
            if other is None or not _explained(sighting, other, clocks):
                return
            if other.start_s <= sighting.start_s:
                cut_start = max(cut_start, other_end)
            else:
                cut_end = min(cut_end, other_start)
    most_s = sighting.length_s // MOST_CUT
    over_s = (cut_start - sighting.start_s) + (sighting.end_s - cut_end) - most_s
    # What one end loses more, the other may keep.
    if over_s > 0 and cut_end == end:
        cut_end = min(sighting.end_s, cut_end + over_s)
    elif over_s > 0 and cut_start == start:
        cut_start = max(sighting.start_s, cut_start - over_s)
    if (cut_start - sighting.start_s) + (sighting.end_s - cut_end) > most_s or cut_start >= cut_end:
        return
    # While the person's key rotates, a day has a token under each.
    places = [(token, day) for _, token, day, _, _ in pieces] + claimant.near
    others = [each for each in claimant.intervals if each[0] != body]
    claimant.intervals = [
        *others,
        *(
            (body, token, day, first, last)
            for day, first, last in by_local_day(cut_start, cut_end)
            for token, place in places
            if place == day
        ),
    ]


def _explained(one: Sighting, other: Sighting, clocks: Clocks) -> bool:
    """Whether two acts overlap by no more than their clocks can differ."""
    clock = clocks.between(one, other)
    start_s, end_s = other.start_s - clock.ahead_s, other.end_s - clock.ahead_s
    return min(one.end_s, end_s) - max(one.start_s, start_s) <= clock.tolerance_s
