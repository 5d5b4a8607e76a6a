"""`readings`: a file of readings sent through the real HTTP API."""

import datetime
import itertools
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from app.commands.common import CommandError, JsonFlag, console, print_json, run
from app.metering.files import FileRefused, read_plant
from app.replay.api import Api, ApiError

BATCH: Final = 10_000


def readings_command(
    file: Annotated[
        Path, typer.Argument(help="A plant's quarter-hours.", exists=True, dir_okay=False, readable=True)
    ],
    meter: Annotated[str, typer.Option(help="Number of the interval meter of electricity that measured it.")],
    client_id: Annotated[
        str, typer.Option(envvar="TANPUHUI_CLIENT_ID", help="Client of the enterprise to send as.")
    ],
    client_secret: Annotated[
        str,
        typer.Option(envvar="TANPUHUI_CLIENT_SECRET", help="Its secret; better given by the variable."),
    ],
    url: Annotated[str, typer.Option(help="Base URL of a running service.")] = "http://127.0.0.1:8000",
    move_to: Annotated[
        datetime.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Shift all times by the same whole weeks, the first reading to this date.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Send the readings of a real plant's file. Running it twice adds nothing."""

    async def work() -> dict[str, Any]:
        outcomes: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        energy_wh = 0
        items = read_plant(file, meter, None if move_to is None else move_to.date())
        async with Api(url.rstrip("/"), client_id, client_secret) as api:
            while batch := list(itertools.islice(items, BATCH)):
                answer = await api.post("/v1/enterprises/readings/batch", batch)
                for item, each in zip(batch, answer["items"], strict=True):
                    outcomes[each["outcome"]] += 1
                    if each["reason"] is None:
                        energy_wh += item["energy_wh"]
                    else:
                        reasons[each["reason"]] += 1
        return {"outcomes": dict(outcomes), "reasons": dict(reasons), "energy_wh": energy_wh}

    try:
        found = run(work())
    except (FileRefused, ApiError) as error:
        raise CommandError(str(error)) from None
    if as_json:
        print_json(found)
    else:
        told = [f"{count:,} {name}" for name, count in {**found["outcomes"], **found["reasons"]}.items()]
        console.print(f"{', '.join(told)}; {found['energy_wh'] / 1000:,.3f} kWh")
    if found["reasons"]:
        raise typer.Exit(1)
