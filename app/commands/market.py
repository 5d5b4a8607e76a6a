"""`market import-prices`."""

from pathlib import Path
from typing import Annotated

import typer

from accounts.market.reference import Unreadable, read_series
from app.commands.common import JsonFlag, at_database, console, print_json
from app.database import Database
from app.market import reference
from app.settings import load_settings
from app.wiring import utc_now

market = typer.Typer(help="Prices of other markets.", no_args_is_help=True)


@market.callback()
def _market() -> None:
    """Prices of other markets."""


@market.command("import-prices")
def import_prices_command(
    name: Annotated[str, typer.Argument(help="What the market is called here, CEA or GDEA for example")],
    file: Annotated[Path, typer.Argument(help="A CSV file as Wind exports it", exists=True, dir_okay=False)],
    as_json: JsonFlag = False,
) -> None:
    """Keep the daily prices of a file; days that are there already are as the file has them now."""
    if not (2 <= len(name) <= 8 and name.isascii() and name.isalpha() and name.isupper()):  # noqa: PLR2004
        raise typer.BadParameter("a market is called by 2 to 8 capital letters", param_hint="NAME")
    try:
        series = read_series(file.read_text(encoding="utf-8-sig"))
    except (Unreadable, UnicodeDecodeError) as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None

    async def work(database: Database) -> int:
        async with database.driver_transaction() as driver:
            return await reference.keep(driver, name, series, utc_now())

    changed = at_database(load_settings(), work, quiet=as_json)
    first, last = series.days[0].day, series.days[-1].day
    if as_json:
        print_json(
            {
                "market": name,
                "days": len(series.days),
                "changed": changed,
                "first_day": first.isoformat(),
                "last_day": last.isoformat(),
            }
        )
    else:
        console.print(
            f"{name}: {len(series.days):,} priced days from {first} to {last}, {changed:,} new or changed.",
            highlight=False,
        )
