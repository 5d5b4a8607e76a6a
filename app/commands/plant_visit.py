"""The demonstration's plant: its day, and what takes the service at moments of their own: label, alert, quotes."""

import contextlib
import datetime
from collections.abc import AsyncIterator, Sequence
from typing import Final

import httpx

from accounts.ids import parse_public_id
from app.alerts.job import learn_meters, look_at_meters
from app.application import create_app
from app.auth.models import OrganisationKind
from app.commands.common import local_client
from app.demo.city import SHANGHAI
from app.demo.desk import (
    BANK_NAME,
    Desk,
    begin_label,
    has_label,
    publish_label,
    put_in_force,
    quote,
    read_plant,
    report_figures,
)
from app.demo.market import SECOND_OPERATOR_NAME
from app.demo.plant import OPERATOR_NAME, PlantDay, onboard_plant, run_plant
from app.demo.plant_data import NAME as PLANT_NAME
from app.embedded.stack import Stack
from app.jobs.runner import held
from app.labels.emissions import emitted_at
from app.labels.job import label_enterprises
from app.replay.api import Api
from app.settings import Settings
from app.wiring import Services, services, utc_now

BEFORE: Final = datetime.timedelta(days=2)
"""Operators decide for days to come: who wants rules from today on has to have decided before."""
LEARNT_BEFORE: Final = datetime.timedelta(hours=3)
"""The meters are learnt as of then, and what came since is looked at: as far as the job looks back."""


async def visit_plant(
    settings: Settings, stack: Stack, base: str, residents: Sequence[str]
) -> tuple[PlantDay, Desk]:
    """The made-up plant is onboarded, sends its readings, is labelled and warned; a bank quotes. Raises `ApiError`.

    `residents` are access tokens.
    """
    now, desk = utc_now(), Desk()
    clients = [
        await local_client(settings, stack, OrganisationKind.OPERATOR, OPERATOR_NAME),
        await local_client(settings, stack, OrganisationKind.OPERATOR, SECOND_OPERATOR_NAME),
        await local_client(settings, stack, OrganisationKind.BANK, BANK_NAME),
    ]
    async with contextlib.AsyncExitStack() as opened:
        office, second, bank = [
            await opened.enter_async_context(Api(base, one.client_id, one.secret)) for one in clients
        ]
        enterprise_id = await onboard_plant(office)
        holder_id = parse_public_id("hld", enterprise_id)
        own = await local_client(settings, stack, OrganisationKind.ENTERPRISE, PLANT_NAME, holder_id)
        plant = await opened.enter_async_context(Api(base, own.client_id, own.secret))
        earlier = await opened.enter_async_context(
            services(settings, stack.database_url, stack.redis_url, lambda: now - BEFORE)
        )

        @contextlib.asynccontextmanager
        async def watching() -> AsyncIterator[None]:
            async with held(earlier.database, "learn_meters"):
                yield
                await learn_meters(earlier.database, now - LEARNT_BEFORE)
            await look_at_meters(earlier.database, now)

        day = await run_plant(plant, enterprise_id, now, watching)
        if not await has_label(plant):
            today = now.astimezone(SHANGHAI).date()
            transport = httpx.ASGITransport(create_app(earlier))
            then = [
                await opened.enter_async_context(Api(base, one.client_id, one.secret, transport=transport))
                for one in clients[:2]
            ]
            await put_in_force((then[0], then[1]), today)
            await report_figures(plant, today)
            run_id = await begin_label(office, today.year - 1)
            await _label(earlier)
            await publish_label(second, run_id)
        await read_plant(plant, day.hot_meter_id, desk)
        desk.quotes = await quote(bank, clients[2].organisation_id, plant, residents, now)
    return day, desk


async def _label(current: Services) -> None:
    """Work at what is begun, as the job does each minute."""
    now = utc_now()
    await current.live.refresh()
    async with current.database.transaction() as session:
        await label_enterprises(current.database, session, current.live.labels, emitted_at(now), now)
