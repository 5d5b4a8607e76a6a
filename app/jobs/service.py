"""The service's own recurring jobs."""

import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, text
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.registry import transfers
from app.alerts.job import learn_meters, look_at_meters
from app.api.models import IdempotentAnswer
from app.archives.job import archive_due
from app.auth.residents import forget_sessions
from app.banking.watching import watch
from app.clocks.job import measure_clocks
from app.crediting.precedence import move_outranked
from app.database import driver_of
from app.events.service import expire as expire_event_orders
from app.issuing.closing import work_at_issuances
from app.jobs.enterprises import keep_statements, warn_of_budgets
from app.jobs.expiry import expire_points
from app.jobs.runner import Recurring
from app.labels.emissions import emitted_at
from app.labels.job import label_enterprises
from app.market.job import end_due
from app.my_data import jobs as my_data
from app.proving.heads import take_heads
from app.ranks import service as ranks
from app.ranks.store import Ranks
from app.recalculation.job import Recalculator
from app.review.service import decide_due, forget_traces
from app.scoring.job import count_and_score
from app.settling.job import settle_months
from app.versions.shadow import compare_shadows
from app.webhooks.forgetting import drop_deliveries

if TYPE_CHECKING:
    from app.wiring import Services

MONTHS_AHEAD = 4
TRANSFERS_AT_ONCE = 500
KEPT_ANSWERS = datetime.timedelta(days=8)
"""A day more than the week that is promised."""


async def make_partitions(session: AsyncSession, now: datetime.datetime) -> None:
    """Make the months ahead, so that no act meets a table without its partition."""
    await session.exec(  # type: ignore[call-overload]
        text("SELECT tanpuhui_make_partitions(:month, :months)").bindparams(
            month=now.date(), months=MONTHS_AHEAD
        )
    )


async def forget_answers(session: AsyncSession, now: datetime.datetime) -> None:
    """Drop answers that no retry can ask for any more."""
    await session.exec(delete(IdempotentAnswer).where(col(IdempotentAnswer.created_at) < now - KEPT_ANSWERS))


def recurring(services: "Services") -> list[Recurring]:  # noqa: C901, PLR0915 - one small function for each job
    """All jobs of the service."""

    async def rotate_keys(session: AsyncSession, now: datetime.datetime) -> None:
        await services.tokens.keys.rotate(session, now)

    async def recalculate(_session: AsyncSession, _now: datetime.datetime) -> None:
        # Each slice commits by itself; the lease only spares the other processes the look.
        recalculator = Recalculator(
            services.database, services.preparer, services.live, services.intake.clock
        )
        await recalculator.work()

    async def return_redemptions(session: AsyncSession, now: datetime.datetime) -> None:  # noqa: ARG001 - the lease
        await services.redemptions.return_due(now)

    async def update_ranks(session: AsyncSession, now: datetime.datetime) -> None:
        await ranks.update(await driver_of(session), Ranks(services.redis), now)

    async def rebuild_ranks(session: AsyncSession, now: datetime.datetime) -> None:
        await ranks.rebuild(await driver_of(session), Ranks(services.redis), now)

    async def expire(_session: AsyncSession, now: datetime.datetime) -> None:
        # Each slice commits by itself; the lease only spares the other processes the look.
        await expire_points(services.database, now)

    async def release_event_orders(session: AsyncSession, now: datetime.datetime) -> None:
        await expire_event_orders(await driver_of(session), now)

    async def expire_transfers(session: AsyncSession, now: datetime.datetime) -> None:
        await transfers.expire(await driver_of(session), now, TRANSFERS_AT_ONCE)

    async def issue_settlements(session: AsyncSession, now: datetime.datetime) -> None:
        await settle_months(services.database, session, now)

    async def exchange_claims(_session: AsyncSession, _now: datetime.datetime) -> None:
        # Each page and each reversal commits by itself; the lease only spares the other processes the look.
        await services.neighbours.exchange_all()

    async def exchange_with_banks(_session: AsyncSession, _now: datetime.datetime) -> None:
        # Each message and each file commits by itself; the lease only spares the other processes the look.
        await services.banks.run()

    async def tell_exchanges(_session: AsyncSession, _now: datetime.datetime) -> None:
        # Each instruction and each statement commits by itself; the lease only spares the other processes the look.
        await services.exchanges.run()

    async def labels(session: AsyncSession, now: datetime.datetime) -> None:
        # Each slice commits by itself; the lease only spares the other processes the look.
        await label_enterprises(services.database, session, services.live.labels, emitted_at(now), now)

    async def decide_held(session: AsyncSession, now: datetime.datetime) -> None:
        await decide_due(services.database, session, services.rules_now(), now)

    async def take_over(session: AsyncSession, now: datetime.datetime) -> None:
        await move_outranked(services.database, session, services.rules_now(), now)

    async def clocks(session: AsyncSession, now: datetime.datetime) -> None:
        await measure_clocks(await driver_of(session), services.rules_now(), now)

    async def score(session: AsyncSession, now: datetime.datetime) -> None:
        await count_and_score(services, session, now)

    async def keep_emission_statements(_session: AsyncSession, now: datetime.datetime) -> None:
        # Each slice commits by itself; the lease only spares the other processes the look.
        await keep_statements(services.database, now)

    async def warn_of_energy_budgets(_session: AsyncSession, now: datetime.datetime) -> None:
        await warn_of_budgets(services.database, now)

    async def take_ledger_heads(_session: AsyncSession, now: datetime.datetime) -> None:
        # Each day commits by itself; the lease only spares the other processes the look.
        await take_heads(services.database, now)

    async def archive_claims(session: AsyncSession, now: datetime.datetime) -> None:
        await archive_due(services.settings, services.database, session, services.rules_now(), now)

    async def watch_customers(_session: AsyncSession, now: datetime.datetime) -> None:
        # Each page commits by itself; the lease only spares the other processes the look.
        await watch(services.database, services.live.score_cards(), now)

    async def close_periods(session: AsyncSession, _now: datetime.datetime) -> None:
        # Each step commits by itself; the lease only spares the other processes the look.
        folder = services.settings.issuances
        await work_at_issuances(services.database, session, folder, services.intake.clock)

    async def learn(_session: AsyncSession, now: datetime.datetime) -> None:
        # Each slice commits by itself; the lease only spares the other processes the look.
        await learn_meters(services.database, now)

    async def look(_session: AsyncSession, now: datetime.datetime) -> None:
        await look_at_meters(services.database, now)

    async def end_market(_session: AsyncSession, now: datetime.datetime) -> None:
        # Each auction, trade and listing commits by itself; the lease only spares the other processes the look.
        await end_due(services.database, now)

    return [
        Recurring("make_partitions", datetime.timedelta(days=1), make_partitions),
        Recurring("forget_answers", datetime.timedelta(days=1), forget_answers),
        Recurring("forget_sessions", datetime.timedelta(days=1), forget_sessions),
        Recurring("compare_shadows", datetime.timedelta(minutes=1), compare_shadows),
        Recurring("recalculate", datetime.timedelta(seconds=10), recalculate),
        Recurring("drop_deliveries", datetime.timedelta(hours=1), drop_deliveries),
        Recurring("return_redemptions", datetime.timedelta(seconds=30), return_redemptions),
        Recurring("rebuild_ranks", datetime.timedelta(days=1), rebuild_ranks),
        Recurring("update_ranks", datetime.timedelta(minutes=1), update_ranks),
        Recurring("move_outranked", datetime.timedelta(seconds=10), take_over),
        Recurring("archive_claims", datetime.timedelta(days=1), archive_claims),
        Recurring("measure_clocks", datetime.timedelta(hours=1), clocks),
        Recurring("label_enterprises", datetime.timedelta(minutes=1), labels),
        Recurring("decide_held", datetime.timedelta(minutes=1), decide_held),
        Recurring("forget_traces", datetime.timedelta(days=1), forget_traces),
        Recurring("exchange_claims", datetime.timedelta(minutes=5), exchange_claims),
        Recurring("tell_exchanges", datetime.timedelta(seconds=30), tell_exchanges),
        Recurring("exchange_with_banks", datetime.timedelta(seconds=30), exchange_with_banks),
        Recurring("close_periods", datetime.timedelta(seconds=30), close_periods),
        Recurring("learn_meters", datetime.timedelta(minutes=1), learn),
        Recurring("look_at_meters", datetime.timedelta(minutes=1), look),
        Recurring("expire_points", datetime.timedelta(minutes=10), expire),
        Recurring("release_event_orders", datetime.timedelta(seconds=30), release_event_orders),
        Recurring("expire_transfers", datetime.timedelta(minutes=10), expire_transfers),
        Recurring("watch_customers", datetime.timedelta(minutes=10), watch_customers),
        Recurring("issue_settlements", datetime.timedelta(minutes=10), issue_settlements),
        Recurring("take_scores", datetime.timedelta(minutes=1), score),
        Recurring("keep_emission_statements", datetime.timedelta(minutes=10), keep_emission_statements),
        Recurring("warn_of_energy_budgets", datetime.timedelta(days=1), warn_of_energy_budgets),
        Recurring("take_ledger_heads", datetime.timedelta(minutes=10), take_ledger_heads),
        Recurring("end_market", datetime.timedelta(seconds=10), end_market),
        Recurring("rotate_keys", datetime.timedelta(hours=6), rotate_keys),
        *my_data.recurring(services),
    ]
