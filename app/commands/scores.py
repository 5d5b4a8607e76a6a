"""`scores`: lists and checks score cards, and takes snapshots at once instead of waiting for the job."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import typer

from accounts.scores.cards import Card, load_cards, read_cards
from app.commands.common import CommandError, JsonFlag, bring_up_schema, console, print_json, run, stack_of
from app.embedded.stack import Stack
from app.scoring.counting import count_deeds
from app.scoring.snapshots import NotCounted, due_on, snapshot_all
from app.settings import load_settings
from app.wiring import services, utc_now
from methodologies.errors import PackError

scores = typer.Typer(help="Check score cards, and take snapshots of all holders.", no_args_is_help=True)


@scores.callback()
def _scores() -> None:
    """Check score cards, and take snapshots of all holders."""


@scores.command("cards")
def cards_command(as_json: JsonFlag = False) -> None:
    """List the score cards that ship and those of the city's own folder, with what they read."""
    folder = load_settings().score_cards_dir
    try:
        found = list(load_cards(*([folder] if folder else [])))
    except PackError as error:
        raise _refused(error) from None
    _show(found, as_json=as_json)


@scores.command("check")
def check_command(
    folder: Annotated[Path, typer.Argument(help="A folder of score cards (YAML).")], as_json: JsonFlag = False
) -> None:
    """Check a folder of score cards as the service would, and keep nothing."""
    try:
        load_cards(folder)
        found = list(read_cards(folder))
    except PackError as error:
        raise _refused(error) from None
    _show(found, as_json=as_json)


@scores.command("snapshot")
def snapshot_command(
    as_of: Annotated[
        str, typer.Option(help="The last day of a month, as 2026-10-31; else the latest that is settled.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Count deeds, then take or finish the snapshots of a month; after a crash, run it again."""
    settings = load_settings()
    try:
        day = dt.date.fromisoformat(as_of) if as_of else due_on(utc_now())
    except ValueError:
        raise CommandError("--as-of is a day, as 2026-10-31") from None
    if (day + dt.timedelta(days=1)).day != 1:
        raise CommandError("--as-of is the last day of a month")

    async def work(stack: Stack) -> dict[str, Any]:
        await bring_up_schema(stack)
        async with services(settings, stack.database_url, stack.redis_url) as current:
            cards = current.live.score_cards()
            await count_deeds(current.database, utc_now(), budget_s=float("inf"))
            await snapshot_all(current.database, cards, day, utc_now)
            return {
                "as_of": day.isoformat(),
                "cards": [f"{card.name} {card.version}" for card in cards.on(day)],
            }

    with stack_of(settings, quiet=as_json) as stack:
        try:
            found = run(work(stack))
        except NotCounted:
            raise CommandError("the month is not over, or not all of its acts are counted") from None
    if as_json:
        print_json(found)
        return
    told = ", ".join(found["cards"]) or "no card is in force"
    console.print(f"{found['as_of']}  {told}", highlight=False)


def _refused(error: PackError) -> CommandError:
    return CommandError(f"{error.path}#{error.pointer}\n  {error.message_en}\n  {error.message_zh}")


def _show(cards: list[Card], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "cards": [
                    {"card": card.name, "version": card.version, "subject": card.text.subject}
                    | {"reads": list(card.text.reads), "content_hash": card.content_hash}
                    for card in cards
                ]
            }
        )
        return
    for card in cards:
        reads = ", ".join(card.text.reads)
        console.print(
            f"{card.name} {card.version}  {card.text.title.zh}  {card.content_hash[:12]}  reads {reads}",
            highlight=False,
        )
