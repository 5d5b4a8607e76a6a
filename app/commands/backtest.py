"""`backtest`."""

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import (
    CommandError,
    JsonFlag,
    bring_up_schema,
    console,
    errors,
    print_json,
    run,
    stack_of,
)
from app.database import Database, engine_for
from app.embedded.stack import Stack
from app.settings import Settings, load_settings
from app.wiring import utc_now
from dedup.periods import day_of
from methodologies import Catalogue, Methodology, PackError, load_catalogue
from points.programmes import load_programmes

if TYPE_CHECKING:
    from app.backtest.export import Export
    from app.backtest.run import Question

_DAY = ["%Y-%m-%d"]


def backtest_command(
    first: Annotated[
        datetime.datetime, typer.Option("--from", formats=_DAY, help="First local day of the acts.")
    ],
    last: Annotated[
        datetime.datetime, typer.Option("--to", formats=_DAY, help="Last local day of the acts, inclusive.")
    ],
    methodology: Annotated[str | None, typer.Option(help="Code of the methodology to try.")] = None,
    version: Annotated[str | None, typer.Option(help="Its version.")] = None,
    region: Annotated[str | None, typer.Option(help="Its region, where several have it.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="A pack file to take it from, for a draft.", exists=True, dir_okay=False),
    ] = None,
    against: Annotated[
        str,
        typer.Option(help="`credited` (what decided each act), `active` (in force today) or CODE/VERSION."),
    ] = "credited",
    engine: Annotated[str, typer.Option(help="duckdb, spark or rows.")] = "duckdb",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the export and the files; kept in the data folder where absent."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Export anew where an export is there.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write a CSV file for each table.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Write report.html, with charts.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compute stored activities of a period again under a methodology and compare. Credits nothing."""
    # The engines take a second to import, which no other command should wait for.
    from app.backtest import run as backtest  # noqa: PLC0415
    from app.backtest import show  # noqa: PLC0415
    from app.backtest.errors import BacktestError  # noqa: PLC0415

    if engine not in backtest.ENGINES:
        raise typer.BadParameter(f"one of {', '.join(backtest.ENGINES)}", param_hint="--engine")
    if file is None and (methodology is None or version is None):
        raise typer.BadParameter("--methodology and --version, or --file", param_hint="--methodology")
    settings = load_settings()
    catalogue = load_catalogue(demonstration=not settings.production)
    try:
        candidate = _candidate(catalogue, file, methodology, version, region)
        question = backtest.Question(
            candidate, _against(catalogue, against, candidate), first.date(), last.date()
        )
        folder = out or settings.data_dir / "backtests" / _name(question)
        kept = None if fresh else backtest.reusable(folder, question)
        export = kept or _export(settings, catalogue, question, folder, quiet=as_json)
        report = backtest.answer(question, export, engine, reused=kept is not None)
    except BacktestError as error:
        raise CommandError(f"{error.message_en}\n{error.message_zh}") from None
    except PackError as error:
        raise CommandError(f"{error}\n{error.message_zh}") from None
    written = show.write_csv(report, folder) if csv else []
    if html:
        from app.backtest.page import page  # noqa: PLC0415

        written.append(folder / "report.html")
        written[-1].write_text(page(report), encoding="utf-8")
    if as_json:
        print_json({**report.as_dict(), "files": [str(path) for path in written]})
        return
    show.show(report, console)
    for path in written:
        console.print(f"Wrote {path}.", highlight=False, soft_wrap=True)


def _candidate(
    catalogue: Catalogue, file: Path | None, code: str | None, version: str | None, region: str | None
) -> Methodology:
    from app.backtest.candidates import find_methodology, from_file  # noqa: PLC0415

    if file is not None:
        return from_file(file, catalogue, code, version, region)
    return find_methodology(catalogue, code or "", version or "", region)


def _against(catalogue: Catalogue, stated: str, candidate: Methodology) -> Methodology | None:
    from app.backtest.candidates import find_methodology  # noqa: PLC0415
    from app.backtest.errors import BacktestError  # noqa: PLC0415

    if stated == "credited":
        return None
    if stated == "active":
        today = day_of(int(utc_now().timestamp()))
        active = catalogue.select(candidate.region, candidate.scene, today)
        if active is None:
            raise BacktestError(
                "该地区该场景今天没有施行中的方法学", "no methodology is in force there today"
            )
        return active
    code, separator, version = stated.partition("/")
    if not separator:
        raise typer.BadParameter("credited, active or CODE/VERSION", param_hint="--against")
    version, _, region = version.partition("/")
    try:
        return find_methodology(catalogue, code, version, region or candidate.region)
    except BacktestError:
        return find_methodology(catalogue, code, version, region or None)


def _name(question: "Question") -> str:
    asked = question.methodology
    return f"{asked.scene}-{asked.region}-{question.first_day}-{question.last_day}"


def _export(
    settings: Settings, catalogue: Catalogue, question: "Question", folder: Path, *, quiet: bool
) -> "Export":
    from app.backtest.run import export_from  # noqa: PLC0415

    async def work(stack: Stack) -> "Export":
        await bring_up_schema(stack)
        database = Database(engine_for(stack.database_url, pool_size=1, scans=True))
        try:
            return await export_from(database, catalogue, load_programmes(), question, folder, utc_now())
        finally:
            await database.close()

    with stack_of(settings, quiet=quiet) as stack:
        export = run(work(stack))
    if not quiet:
        errors.print(f"Exported {export.manifest.rows:,} acts to {folder}.", highlight=False, soft_wrap=True)
    return export
