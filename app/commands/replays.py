"""`demo` and `replay`: acts reported through the real HTTP API."""

import asyncio
import contextlib
import datetime
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console

from app.auth.models import OrganisationKind
from app.commands.common import (
    ClientIdOption,
    ClientSecretOption,
    CommandError,
    Credentials,
    JsonFlag,
    UrlOption,
    bring_up_schema,
    console,
    local_client,
    organisation_of,
    print_json,
    run,
    service_at,
    stack_of,
)
from app.commands.local_residents import local_residents
from app.commands.plant_visit import visit_plant
from app.demo.city import PLATFORM_NAMES
from app.demo.desk import Desk
from app.demo.market import MERCHANT_NAME, SECOND_OPERATOR_NAME, MarketDay, run_market
from app.demo.plant import PlantDay
from app.demo.run import run_demo
from app.embedded.stack import Stack
from app.replay.api import Api, ApiError
from app.replay.readers import FORMATS, FileRefused
from app.replay.run import replay
from app.replay.summary import Summary
from app.settings import Settings, load_settings
from app.wiring import utc_now

OPERATOR_NAME = "Local operator"
DEMO_FILE = "demo.json"


def _progress(*, as_json: bool) -> Console | None:
    return None if as_json else console


def demo_command(
    url: UrlOption = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same city.")] = 7,
    residents: Annotated[int, typer.Option(min=100, max=200_000, help="How many people live in it.")] = 4_000,
    once: Annotated[
        bool, typer.Option("--once", help="Only show the summary where it was replayed before.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Replay a made-up week of three cities: two platforms, ten scenes, a few cheats; and show a plant's day."""
    settings = load_settings()
    summary = Summary()
    market: list[MarketDay] = []
    plant: list[tuple[PlantDay, Desk]] = []

    async def work(stack: Stack) -> str:
        await bring_up_schema(stack)
        operator = await local_client(settings, stack, OrganisationKind.OPERATOR, OPERATOR_NAME)
        platforms = [
            await local_client(settings, stack, OrganisationKind.PLATFORM, name) for name in PLATFORM_NAMES
        ]
        async with service_at(settings, stack, url) as base, contextlib.AsyncExitStack() as open_apis:
            api = await open_apis.enter_async_context(Api(base, operator.client_id, operator.secret))
            if once and (kept := await _kept(settings, api)) is not None:
                _show_kept(kept, base, as_json=as_json)
                return ""
            sources = [
                (
                    await open_apis.enter_async_context(Api(base, one.client_id, one.secret)),
                    one.organisation_id,
                )
                for one in platforms
            ]
            await run_demo(
                api,
                sources,
                seed=seed,
                residents=residents,
                now=utc_now(),
                progress=_progress(as_json=as_json),
                summary=summary,
            )
            tokens = await local_residents(settings, stack, summary.shoppers)
            market.append(await _go_shopping(settings, stack, base, api, tokens))
            plant.append(await visit_plant(settings, stack, base, tokens))
            (settings.data_dir / DEMO_FILE).write_text(json.dumps(everything(), default=str))
            return base

    def everything() -> dict[str, Any]:
        (bought,), ((day, desk),) = market, plant
        shown = {"merchant": bought.as_dict(), "plant": day.as_dict(), "desk": desk.as_dict()}
        return summary.as_dict() | shown

    base = _run_until_interrupted(settings, work, summary, as_json=as_json)
    if base and as_json:
        print_json(everything())
    elif base:
        summary.render(console)
        market[0].render(console)
        for shown in plant[0]:
            shown.render(console)
        _where_to_look(summary.look, base)


async def _go_shopping(
    settings: Settings, stack: Stack, base: str, operator: Api, tokens: list[str]
) -> MarketDay:
    """Residents of the made-up city redeem at a café, which is settled with."""
    cafe = await local_client(settings, stack, OrganisationKind.MERCHANT, MERCHANT_NAME)
    other = await local_client(settings, stack, OrganisationKind.OPERATOR, SECOND_OPERATOR_NAME)
    async with (
        Api(base, other.client_id, other.secret) as second,
        Api(base, cafe.client_id, cafe.secret) as merchant,
    ):
        return await run_market((operator, second), merchant, cafe.organisation_id, tokens, settings.data_dir)


def replay_command(
    file: Annotated[
        Path, typer.Argument(help="The file to replay.", exists=True, dir_okay=False, readable=True)
    ],
    format_: Annotated[str, typer.Option("--format", help=f"What the file is: {', '.join(FORMATS)}.")],
    url: UrlOption = None,
    region: Annotated[
        str | None, typer.Option(help="GB/T 2260 code of the acts; the file's own city where absent.")
    ] = None,
    move_to: Annotated[
        datetime.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Shift all times by the same whole weeks, the first act to this date."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Report at most so many acts.")] = None,
    stations: Annotated[
        Path | None,
        typer.Option(help="Stations for metro taps; found beside the file where absent.", exists=True),
    ] = None,
    client_id: ClientIdOption = None,
    client_secret: ClientSecretOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Report the acts of a real file; its people are onboarded first, with consents. Running it twice adds nothing."""
    if format_ not in FORMATS:
        raise typer.BadParameter(f"one of {', '.join(FORMATS)}", param_hint="--format")
    settings = load_settings()
    summary = Summary()

    async def work(stack: Stack) -> str:
        await bring_up_schema(stack)
        async with service_at(settings, stack, url) as base:
            me = await _platform(settings, stack, base, f"Replay of {format_}", client_id, client_secret)
            async with Api(base, me.client_id, me.secret) as api:
                await replay(
                    api,
                    api,
                    me.organisation_id,
                    file,
                    format_,
                    region=region,
                    move_to=None if move_to is None else move_to.date(),
                    limit=limit,
                    stations=stations,
                    progress=_progress(as_json=as_json),
                    summary=summary,
                )
            return base

    base = _run_until_interrupted(settings, work, summary, as_json=as_json)
    _show(summary, base, as_json=as_json)


async def _platform(
    settings: Settings, stack: Stack, base: str, name: str, client_id: str | None, secret: str | None
) -> Credentials:
    if client_id is None:
        return await local_client(settings, stack, OrganisationKind.PLATFORM, name)
    if secret is None:
        raise CommandError("--client-id needs --client-secret, or TANPUHUI_CLIENT_SECRET")
    async with httpx.AsyncClient(base_url=base) as http:
        return Credentials(client_id, secret, await organisation_of(http, client_id, secret))


def _run_until_interrupted(settings: Settings, work: Any, summary: Summary, *, as_json: bool) -> str:
    async def interruptible(stack: Stack) -> str:
        task: asyncio.Task[str] = asyncio.create_task(_as_coroutine(work(stack)))
        return await task

    try:
        with stack_of(settings, quiet=as_json) as stack:
            return run(interruptible(stack))
    except KeyboardInterrupt:
        summary.interrupted = True
        _show(summary, "", as_json=as_json)
        raise typer.Exit(130) from None
    except FileRefused as refused:
        raise CommandError(str(refused)) from None
    except ApiError as error:
        hint = "" if error.status else "; is the service running? `make run` starts it"
        raise CommandError(f"{error}{hint}") from None


async def _as_coroutine(work: Coroutine[Any, Any, str]) -> str:
    return await work


async def _kept(settings: Settings, api: Api) -> dict[str, Any] | None:
    """The summary of an earlier demonstration, if this service still has its people."""
    path = settings.data_dir / DEMO_FILE
    if not path.exists():
        return None
    kept: dict[str, Any] = json.loads(path.read_text())
    holder = kept.get("look", {}).get("holder_id")
    try:
        await api.get(f"/v1/operator/holders/{holder}")
    except ApiError:
        return None
    return kept


def _show_kept(kept: dict[str, Any], base: str, *, as_json: bool) -> None:
    if as_json:
        print_json(kept)
        return
    console.print(
        f"The made-up week is here since an earlier run: {kept['reported']:,} activities, "
        f"{kept['co2e_kg']} kg CO2e, {kept['points']:,} points. `tanpuhui demo` replays it again.",
        highlight=False,
    )
    if "plant" in kept:
        PlantDay(**kept["plant"]).render(console)
    if "desk" in kept:
        Desk(**kept["desk"]).render(console)
    _where_to_look(kept["look"], base)


def _show(summary: Summary, base: str, *, as_json: bool) -> None:
    if as_json:
        print_json(summary.as_dict())
        return
    summary.render(console)
    if summary.look and base:
        _where_to_look(summary.look, base)


def _where_to_look(look: dict[str, str], base: str) -> None:
    console.print("\n[bold]Where to look next 接下来看什么[/]")
    console.print(f"  API docs        {base}/docs", highlight=False, soft_wrap=True)
    console.print(
        f"  an account      .venv/bin/tanpuhui show {look['holder_id']}", highlight=False, soft_wrap=True
    )
    console.print(
        f"  an explanation  .venv/bin/tanpuhui show {look['activity_id']}", highlight=False, soft_wrap=True
    )
    if "duplicate_id" in look:
        console.print(
            f"  a duplicate     .venv/bin/tanpuhui show {look['duplicate_id']}",
            highlight=False,
            soft_wrap=True,
        )
