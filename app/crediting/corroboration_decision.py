"""What becomes of the reports that stood behind a credit that is reversed: the best of them is credited after all.

Decided in the reversal's commit, under the holder's lock, by the same comparison and the same claims as at the intake.
"""

import datetime
import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlmodel import col, select

from accounts.ids import lowest_uuid7, public_id
from accounts.models import HolderStatus
from app.crediting import corroboration_store as store
from app.crediting import sameness
from app.crediting.corroboration import GRADES, Corroboration
from app.crediting.decision import HOLDING
from app.crediting.errors import CapReached, ClaimHeld, WithoutConsent
from app.crediting.explanation import methodology_of
from app.crediting.late import Cause, credit_after_all, programme_of, started_s_of
from app.crediting.models import Activity
from app.crediting.precedence_choice import preferred
from app.crediting.prepare import CLOCK_TOLERANCE, EPOCH, SECOND
from app.crediting.settlements import REVERSAL
from dedup.same_act import Verdict
from points.programmes import Precedence

if TYPE_CHECKING:
    import asyncpg
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.crediting.rules import Rules
    from dedup.repository import Remembered

AFTER_REVERSAL = "credited_after_reversal"
"""Reason of an act that was credited in full since the credit that it stood behind was reversed."""
REFUSALS = (WithoutConsent, ClaimHeld, CapReached)


class Behind(enum.Enum):
    """What a reversal does with the reports that stand behind the credit."""

    DECIDE_AGAIN = "decide_again"
    REFUTED = "refuted"
    """The act did not happen: nobody is credited for it."""
    CLAIMED_ELSEWHERE = "claimed_elsewhere"
    """A neighbour keeps the credit for the act: nobody is credited for it here."""
    LEAVE = "leave"
    """The caller knows who gets the credit."""


@dataclass
class Decided:
    """What was decided, by activity; empty where nothing stood behind the credit."""

    told: dict[str, str] = field(default_factory=dict)
    credited: Activity | None = None

    def trail(self) -> dict[str, Any]:
        """For the audit trail."""
        return {"corroborations": self.told} if self.told else {}


def refusal_of(error: Exception) -> str:
    """Why a report was not credited, as it is stored."""
    return str(getattr(error, "code", "")).rpartition(".")[2]


async def decide_behind(
    session: "AsyncSession",
    driver: "asyncpg.Connection",
    rules: "Rules",
    had: Activity,
    behind: Behind,
    status: int | None,
    lost: int,
    now: datetime.datetime,
) -> Decided:
    """What becomes of the reports behind a credit that was reversed; `lost` points of it are neither there nor owed.

    `status` is the holder's, read under its lock.
    """
    rows = [] if behind is Behind.LEAVE else await store.standing_behind(session, had)
    if not rows:
        return Decided()
    if behind is not Behind.DECIDE_AGAIN or lost:
        # With points that nobody gives back, another credit of the act would pay for it twice.
        ended = "points_lost" if behind is Behind.DECIDE_AGAIN else behind.value
        await store.end_behind(driver, had, ended, now)
        return Decided({public_id("act", row.activity_id): ended for row in rows})
    return await _decide_again(session, driver, rules, had, rows, status, now)


async def _decide_again(
    session: "AsyncSession",
    driver: "asyncpg.Connection",
    rules: "Rules",
    had: Activity,
    rows: Sequence[Corroboration],
    status: int | None,
    now: datetime.datetime,
) -> Decided:
    """Credit the best report that stood behind a reversed credit and can be credited; the others stand behind that one.

    Of each platform its best report is tried. One that is the act of another credit of the person stands behind that.
    """
    decided = Decided()
    ordered = await _best_first(driver, rules, had, rows)
    tried: set[UUID] = set()
    refused: dict[UUID, str] = {}
    for row in ordered:
        if row.source_id in tried:
            continue
        tried.add(row.source_id)
        activity = await _activity(session, row)
        name = public_id("act", row.activity_id)
        if activity.reversed_at is not None:
            refused[row.activity_id] = decided.told[name] = "moved_away"
            continue
        met = await _met(session, driver, rules, activity, now)
        if met is not None:
            verdict, follower, source = met
            decided.told[name] = "passed_on" if verdict is Verdict.SAME else "claimed"
            if verdict is Verdict.SAME:
                await store.pass_on(driver, had.holder_id, had.id, (follower, source), now, [row.activity_id])
            else:
                refused[row.activity_id] = "claimed"
            continue
        try:
            if status != HolderStatus.ACTIVE:
                raise WithoutConsent
            async with driver.transaction():
                cause = Cause(REVERSAL, had.id, AFTER_REVERSAL)
                await credit_after_all(session, driver, rules, activity, cause, now)
        except REFUSALS as error:
            refused[row.activity_id] = decided.told[name] = refusal_of(error)
            continue
        decided.told[name] = "credited"
        decided.credited = activity
        await store.end_of(driver, activity, had.id, "credited", now)
        await store.pass_on(driver, had.holder_id, had.id, (activity.id, activity.source_id), now)
        return decided
    for activity_id, ended in refused.items():
        await store.end_behind(driver, had, ended, now, [activity_id])
    await store.end_behind(driver, had, "own_repeat", now)
    return decided


async def _best_first(
    driver: "asyncpg.Connection", rules: "Rules", had: Activity, rows: Sequence[Corroboration]
) -> list[Corroboration]:
    """By the programme's precedence, then by arrival."""
    programme = programme_of(rules, had)
    chosen: UUID | None = None
    if programme.precedence is Precedence.HOLDER_CHOICE:
        group = rules.catalogue.scenes()[had.scene].group
        chosen = await preferred(driver, had.holder_id, group, had.started_at)
    by_grade = programme.precedence is Precedence.EVIDENCE

    def place(row: Corroboration) -> tuple[bool, int, UUID]:
        return row.source_id != chosen, -GRADES.index(row.evidence) if by_grade else 0, row.activity_id

    return sorted(rows, key=place)


async def _activity(session: "AsyncSession", row: Corroboration) -> Activity:
    return (
        await session.exec(
            select(Activity).where(
                col(Activity.holder_id) == row.holder_id, col(Activity.id) == row.activity_id
            )
        )
    ).one()


async def _met(
    session: "AsyncSession",
    driver: "asyncpg.Connection",
    rules: "Rules",
    activity: Activity,
    now: datetime.datetime,
) -> tuple[Verdict, UUID, UUID] | None:
    """What a stored report meets among its person's standing credits: the verdict, that act, and its source."""
    methodology = await methodology_of(session, rules, activity.methodology_id)
    rule = rules.rule_of(methodology, activity.methodology_id)
    if not sameness.claims_a_body(rule):
        return None
    started_s, ended_s = started_s_of(activity), (activity.ended_at - EPOCH) // SECOND
    reach = datetime.timedelta(seconds=sameness.reach_of(started_s))
    rows = await driver.fetch(
        """
        SELECT id, source_id, scene, started_at, ended_at, inputs FROM activities
        WHERE holder_id = $1 AND id BETWEEN $2 AND $3 AND outcome = ANY($4::varchar[]) AND reversed_at IS NULL
          AND started_at < $5 AND ended_at > $6
        """,
        activity.holder_id,
        # No act is reported before it ends, but for what clocks differ by.
        lowest_uuid7(activity.started_at - reach - CLOCK_TOLERANCE),
        lowest_uuid7(now + CLOCK_TOLERANCE),
        [outcome.value for outcome in HOLDING],
        activity.ended_at + reach,
        activity.started_at - reach,
    )
    others: dict[UUID, Remembered] = {}
    for row in rows:
        first, last = ((row[name] - EPOCH) // SECOND for name in ("started_at", "ended_at"))
        others[row["id"]] = (
            first,
            last,
            sameness.seen_of(row["source_id"], row["scene"], first, row["inputs"]),
        )
    seen = sameness.seen_of(activity.source_id, activity.scene, started_s, activity.inputs)
    found = sameness.compare_stored((started_s, ended_s, seen), others, rules.clocks)
    if found is None:
        return None
    winner = found.winners[0]
    return found.decision.verdict, winner, next(row["source_id"] for row in rows if row["id"] == winner)
