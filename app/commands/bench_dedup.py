"""`bench-dedup`."""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from app.bench import rows_dedup
from app.bench.lab import Lab, Trips
from app.bench.registry import BenchError, chosen
from app.bench.run import Entry, lab_for, run_rows, table
from app.bench.same_act.acts import real_acts
from app.bench.same_act.report import Results
from app.bench.same_act.tune import chosen as chosen_points
from app.commands.common import CommandError, JsonFlag, console, print_json, run
from dedup.same_act_rules import load_rules


def bench_dedup_command(
    data: Annotated[Path, typer.Option(help="Folder with files of bike, metro or EV trips.")] = Path(
        "../shared/data"
    ),
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 1,
    out: Annotated[Path, typer.Option(help="File that figures are merged into.")] = Path("bench.json"),
    tune: Annotated[
        bool, typer.Option("--tune", help="Choose points on the other part of the people and print them.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure how well reports of one act are told from reports of two: precision, recall and F1, by scene."""
    if not data.is_dir():
        raise CommandError(f"there is no folder {data}; --data names one with files of trips")
    console.quiet = as_json
    try:
        if tune:
            tables = chosen_points(real_acts(data), load_rules()[-1], seed)
            typer.echo(yaml.safe_dump(tables, sort_keys=False, default_flow_style=None), nl=False)
            return
        rows = chosen(",".join(rows_dedup.ROWS))
        with lab_for(rows, console, quick=False, trips=Trips(data, seed)) as lab:
            found, results = run(_measured(lab, out))
    except BenchError as error:
        raise CommandError(str(error)) from None
    if as_json:
        print_json(results.as_dict() | {"figures": found})
        return
    console.print(results.table())
    console.print(table(found))
    console.print(f"Written to {out}.", highlight=False)


async def _measured(lab: Lab, out: Path) -> tuple[list[Entry], Results]:
    found = await run_rows(lab, chosen(",".join(rows_dedup.ROWS)), out)
    return found, await rows_dedup.results_of(lab)
