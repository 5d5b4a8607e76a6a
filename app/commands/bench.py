"""`bench`."""

import signal
from pathlib import Path
from typing import Annotated

import structlog
import typer

from app.bench.registry import BenchError, chosen
from app.bench.run import lab_for, run_rows, table
from app.commands.common import CommandError, console, run


def bench_command(
    rows: Annotated[str, typer.Option(help="Names of rows with commas between; all where empty.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Smaller: some minutes for all rows.")] = False,
    out: Annotated[Path, typer.Option(help="File that figures are merged into.")] = Path("bench.json"),
) -> None:
    """Measure on servers and a data folder of its own, which are removed at the end."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    # So that a polite kill ends the servers, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        wanted = chosen(rows)
        with lab_for(wanted, console, quick=quick) as lab:
            found = run(run_rows(lab, wanted, out))
    except BenchError as error:
        raise CommandError(str(error)) from None
    console.print(table(found))
    console.print(f"Written to {out}.", highlight=False)
