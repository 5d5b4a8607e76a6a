"""Corroboration: another platform's report of an act that is credited already, kept with the credit that it supports.

Written with the report itself. The grade that a report came with stays what it is; the grade of a credit follows from
the platforms that stand behind it.
"""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, text
from sqlmodel import Field, SQLModel

from accounts.ids import parse_public_id
from app.crediting.models import Outcome
from dedup.periods import day_of
from dedup.same_act import Verdict
from dedup.writes import Writes, columns
from points.programmes import Precedence

if TYPE_CHECKING:
    from app.crediting.decision import Candidate

SELF_REPORT, PLATFORM, CORROBORATED = GRADES = ("self_report", "platform", "corroborated")
"""Grades of evidence, the weakest first: the person's word, one platform's, that of two platforms or more."""
ONE_NUMBER: Final = "one_order_number"
MOST_APART_S: Final = 86_400
"""Reports of one order number are of one act where their periods lie no further apart: a replay under another date
is refused by its number and supports nothing."""

ENDED: Final = (
    *("credited", "took_over", "moved"),
    *("passed_on", "own_repeat"),
    *("refuted", "claimed_elsewhere", "moved_away", "points_lost"),
    *("no_consent", "claimed", "cap_reached"),
)
"""How a corroboration ends: it got the credit; it goes on with another credit; the act or the credit is gone for it;
its own credit was refused."""


def _moment(*, nullable: bool = False) -> Column[datetime.datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class Corroboration(SQLModel, table=True):
    """A report (`activity_id`) that stands behind the credit of another platform's report of the same act.

    `outranks` says by which rule the programme gives it the credit, and `skipped` why it did not get it. A row ends
    with its winner; it is never deleted.
    """

    __tablename__: ClassVar[str] = "corroborations"
    __table_args__ = (
        CheckConstraint("evidence IN ('self_report', 'platform')", name="corroborations_evidence"),
        CheckConstraint("outranks IN ('evidence', 'holder_choice')", name="corroborations_outranks"),
        CheckConstraint(
            f"ended IN ({', '.join(repr(each) for each in ENDED)})", name="corroborations_ended_as"
        ),
        CheckConstraint("(ended IS NULL) = (ended_at IS NULL)", name="corroborations_ended"),
        CheckConstraint("activity_id <> winner_id", name="corroborations_of_another"),
        Index("corroborations_of_activity", "holder_id", "activity_id"),
        Index(
            "corroborations_outranking",
            "activity_id",
            postgresql_where=text("outranks IS NOT NULL AND skipped IS NULL AND ended_at IS NULL"),
        ),
    )

    holder_id: UUID = Field(primary_key=True)
    winner_id: UUID = Field(primary_key=True)
    activity_id: UUID = Field(primary_key=True)
    source_id: UUID
    evidence: str
    rule: str
    at: datetime.datetime = Field(sa_column=_moment())
    outranks: str | None = None
    skipped: str | None = None
    ended_at: datetime.datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ended: str | None = None


def grade(reported: str, source_id: UUID, others: Iterable[tuple[UUID, str]]) -> str:
    """The evidence grade of a credit: as many platforms as have seen the act themselves.

    `others` are the (source, grade) of its corroborations. A person's own word, told through two platforms, is one
    person's word.
    """
    seen_by = {source for source, evidence in others if evidence == PLATFORM}
    if reported == PLATFORM:
        seen_by.add(source_id)
    return GRADES[min(len(seen_by), len(GRADES) - 1)]


def write_corroborations(writes: Writes, candidates: Sequence["Candidate"], now: datetime.datetime) -> None:
    """Keep the losers of this batch that are another platform's report of their winner's act, by the same person.

    Winners of the batch itself are no rows yet: they are told as they were reported.
    """
    lost = [each for each in candidates if each.outcome is Outcome.DUPLICATE and each.winner_id is not None]
    if not lost:
        return
    known = {each.activity_id: each for each in candidates if each.earns}
    rows: list[tuple[Any, ...]] = [
        _row(each, winner, rule, known.get(winner), now) for each in lost for winner, rule in _supported(each)
    ]
    if rows:
        winners = sorted(winner for _, winner, *_ in rows)
        writes.add(_WRITE, *columns(rows), now, MOST_APART_S, winners[0], winners[-1])


def _supported(loser: "Candidate") -> Iterator[tuple[UUID, str]]:
    """The credits that a loser supports, and by which rule it is of their act."""
    if loser.winner_id is None:
        return
    told = loser.comparison
    if told is None:
        if loser.reason in _by_number(loser):
            yield loser.winner_id, ONE_NUMBER
    elif told["verdict"] == Verdict.SAME:
        yield loser.winner_id, told["rule"]
        if told["pattern"] == "pieces":
            # A whole stands behind both of its pieces.
            for each in told["winner_ids"]:
                winner = parse_public_id("act", each)
                if winner is not None and winner != loser.winner_id:
                    yield winner, told["rule"]


def _by_number(loser: "Candidate") -> set[str]:
    """The reasons that say: one number of one issuer."""
    rule = loser.prepared.rule
    claims = () if rule is None else rule.claims
    return {
        f"claimed_{claim.rule}"
        for claim in claims
        if "order_no" in claim.parts and claim.period == "forever" and "person" not in claim.parts
    }


def _row(
    loser: "Candidate", winner_id: UUID, rule: str, winner: "Candidate | None", now: datetime.datetime
) -> tuple[Any, ...]:
    p = loser.prepared
    group = p.scene.partition(".")[0] if p.rule is None else p.rule.scene_group
    w = None if winner is None or winner.holder_id != loser.holder_id else winner.prepared
    return (
        *(loser.holder_id, winner_id, loser.activity_id, p.source_id, p.evidence, rule),
        *(_precedence(loser, now), group, p.started_s, p.ended_s),
        *((None, None, None, None) if w is None else (w.source_id, w.evidence, w.started_s, w.ended_s)),
    )


def _precedence(loser: "Candidate", now: datetime.datetime) -> str | None:
    """The rule by which a report may take a credit over that another one has; None where it came too late for it."""
    programme, day = loser.prepared.programme, day_of(loser.prepared.started_s)
    if programme.precedence is Precedence.ARRIVAL:
        return None
    within = programme.move_within_days
    late = within is not None and (day_of(int(now.timestamp())) - day).days > within
    return None if late else programme.precedence.value


_WRITE: Final = f"""
INSERT INTO corroborations (holder_id, winner_id, activity_id, source_id, evidence, rule, at, outranks)
SELECT c.holder, c.winner, c.activity, c.source, c.evidence, c.rule, $15::timestamptz,
    CASE WHEN c.precedence = '{Precedence.EVIDENCE}' AND c.evidence = '{PLATFORM}'
             AND coalesce(c.winner_evidence, w.evidence) = '{SELF_REPORT}' THEN c.precedence
         WHEN c.precedence = '{Precedence.HOLDER_CHOICE}' AND EXISTS (
             SELECT FROM preferred_platforms p
             WHERE p.holder_id = c.holder AND p.scene_group = c.scene_group AND p.source_id = c.source
               AND p.chosen_at <= to_timestamp(c.starts)
               AND (p.ended_at IS NULL OR p.ended_at > to_timestamp(c.starts))) THEN c.precedence END
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::varchar[], $6::varchar[], $7::varchar[], $8::varchar[],
            $9::bigint[], $10::bigint[], $11::uuid[], $12::varchar[], $13::bigint[], $14::bigint[])
    AS c (holder, winner, activity, source, evidence, rule, precedence, scene_group, starts, ends,
          winner_source, winner_evidence, winner_starts, winner_ends)
LEFT JOIN activities w ON c.winner_source IS NULL AND w.holder_id = c.holder AND w.id = c.winner
    AND w.id BETWEEN $17 AND $18
WHERE coalesce(c.winner_source, w.source_id) <> c.source
  AND (c.rule <> '{ONE_NUMBER}' OR
       coalesce(c.winner_starts, extract(epoch FROM w.started_at)::bigint) - c.ends <= $16::bigint
       AND c.starts - coalesce(c.winner_ends, extract(epoch FROM w.ended_at)::bigint) <= $16::bigint)
"""
