"""Extra points of campaigns for acts that are being credited, in the credit's own transaction."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.models import AccountKind, EntryKind
from accounts.postings import Posting
from app.crediting.models import Outcome
from dedup.periods import day_of
from points import campaign_repository as repository
from points.campaigns import Standing
from points.receivables import Undoing, take_back
from points.repository import Part

if TYPE_CHECKING:
    import asyncpg

    from app.crediting.bookings import Bookings
    from app.crediting.decision import Candidate
    from app.crediting.models import Activity
    from app.crediting.rules import Rules
    from dedup.writes import Writes
    from points.campaigns import LiveCampaign
    from points.programmes import SpentReversal
    from points.receivables import Owed


@dataclass(frozen=True, slots=True)
class Act:
    """A credited act as campaigns see it."""

    holder_id: UUID
    activity_id: UUID
    asset_id: int
    day: datetime.date
    expires_on: datetime.date
    points: int
    campaigns: "Sequence[LiveCampaign]"


@dataclass(slots=True)
class Awards:
    """What campaigns give, and how far it took holders and budgets."""

    rows: list[repository.AwardRow] = field(default_factory=list)
    standings: dict[repository.Place, Standing] = field(default_factory=dict)
    leased: repository.Leased = field(default_factory=dict)
    used: dict[UUID, int] = field(default_factory=dict)


def acts_of(candidates: "Iterable[Candidate]", rules: "Rules", today: datetime.date) -> list[Act]:
    """Those of decided candidates that campaigns may give to: credited, of evidence that earns points."""
    return [
        Act(
            c.holder_id,
            c.activity_id,
            rules.asset(p.points_key),
            day_of(p.started_s),
            p.programme.expires_on(today),
            c.points,
            found,
        )
        for c in candidates
        if c.outcome in (Outcome.CREDITED, Outcome.CAPPED)
        and (p := c.prepared).programme.counts(p.evidence)
        and (found := rules.campaigns.of(p.region, p.scene, p.started_at))
    ]


async def award(driver: "asyncpg.Connection", acts: Sequence[Act], today: datetime.date) -> Awards:
    """Decide what acts of locked holders get, in order; leases what is needed of budgets until the commit.

    The act that crosses a cap or the end of a budget gets what is left.
    """
    awards = Awards()
    if not acts:
        return awards
    places = {(act.holder_id, each.id) for act in acts for each in act.campaigns}
    known = await repository.read_progress(driver, list(places))
    wanted: dict[UUID, int] = {}
    asked: list[tuple[Act, LiveCampaign, int]] = []
    for act in acts:
        for campaign in act.campaigns:
            place = (act.holder_id, campaign.id)
            standing = awards.standings.setdefault(place, known.get(place) or Standing())
            if standing.meets(campaign.text.condition, act.day):
                bonus = campaign.text.bonus(act.points)
                # No more than the caps leave at the start: what is locked in vain keeps others from it.
                bonus = standing.headroom(campaign.text, today, bonus)
                if bonus:
                    asked.append((act, campaign, bonus))
                    wanted[campaign.id] = wanted.get(campaign.id, 0) + bonus
    awards.leased = await repository.lease(driver, wanted)
    left = {key: sum(points for _, points in slices) for key, slices in awards.leased.items()}
    for act, campaign, bonus in asked:
        standing = awards.standings[act.holder_id, campaign.id]
        given = min(standing.headroom(campaign.text, today, bonus), left.get(campaign.id, 0))
        if given:
            standing.award(given)
            left[campaign.id] -= given
            awards.used[campaign.id] = awards.used.get(campaign.id, 0) + given
            awards.rows.append(
                (act.holder_id, act.activity_id, campaign.id, act.asset_id, act.expires_on, given)
            )
    return awards


def book_awards(bookings: "Bookings", awards: Awards, owed: "Owed | None") -> None:
    """Gather entries, balances and lots of what was given; what holders owe is repaid first."""
    for holder, activity, campaign, asset, expires_on, points in awards.rows:
        debt = min(points, owed.get((holder, asset), 0)) if owed else 0
        if owed and debt:
            owed[holder, asset] -= debt
            bookings.repaid[holder, asset] = bookings.repaid.get((holder, asset), 0) + debt
            _give(bookings, (holder, activity, asset, campaign), EntryKind.REPAYMENT, debt)
        if earned := points - debt:
            bookings.points[holder] = bookings.points.get(holder, 0) + earned
            lot = (holder, asset, expires_on)
            bookings.lots[lot] = bookings.lots.get(lot, 0) + earned
            _give(bookings, (holder, activity, asset, campaign), EntryKind.BONUS, earned)


def _give(bookings: "Bookings", of: tuple[UUID, UUID, int, UUID], kind: EntryKind, points: int) -> None:
    holder, activity, asset, campaign = of
    account = AccountKind.HOLDER_OWED if kind is EntryKind.REPAYMENT else AccountKind.HOLDER_POINTS
    bookings.bonuses.append(
        Posting(holder, activity, asset, kind, AccountKind.PROGRAMME, account, points, campaign)
    )


def write_awards(writes: "Writes", awards: Awards) -> None:
    """Store awards, progress and what they took out of budgets, with the credit."""
    repository.write_awards(writes, awards.rows)
    repository.write_progress(writes, awards.standings)
    repository.use_budget(writes, awards.leased, awards.used)


async def undo_awards(
    driver: "asyncpg.Connection", activity: "Activity", policy: "SpentReversal", now: datetime.datetime
) -> int:
    """Take back what campaigns gave for an act of a locked holder; what is not lost goes back to their budgets.

    Answers how many points are lost.
    """
    all_lost = 0
    for row in await repository.read_awards(driver, activity.holder_id, activity.id):
        earned = Part(row["asset_id"], row["expires_on"], row["points"])
        undone = Undoing(activity.holder_id, activity.id, earned, row["campaign_id"])
        lost = await take_back(driver, undone, policy, now)
        await repository.return_progress(driver, activity.holder_id, row["campaign_id"], row["points"])
        await repository.return_budget(driver, row["campaign_id"], activity.id, row["points"] - lost)
        all_lost += lost
    return all_lost
