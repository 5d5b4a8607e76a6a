"""`backtest`."""

import contextlib
import datetime
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self, TypeVar

import typer

from accounts.ids import parse_public_id
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
from app.settings import Settings, load_settings
from app.wiring import read_catalogue, utc_now
from dedup.periods import day_of
from methodologies import Catalogue, Methodology, PackError
from points.programmes import load_programmes

if TYPE_CHECKING:
    from app.backtest.export import Export
    from app.backtest.run import Question
    from app.embedded.stack import Stack

T = TypeVar("T")
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
    revision: Annotated[
        str | None, typer.Option(help="An operator's version in any state (mrv_…), as a draft or in shadow.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="A pack file to take it from, that is in no pack yet.", exists=True, dir_okay=False
        ),
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
    named = methodology is not None and version is not None
    if revision is not None:
        named = not any((methodology, version, region, file))
    if not named and file is None:
        raise typer.BadParameter(
            "--methodology and --version, or --file, or --revision alone", param_hint="--methodology"
        )
    settings = load_settings()
    try:
        with _Records(settings, read_catalogue(settings), quiet=as_json) as records:
            if revision is not None:
                candidate = _revision(records, revision)
            else:
                candidate = _candidate(records, file, methodology, version, region)
            question = backtest.Question(
                candidate, _against(records, against, candidate), first.date(), last.date()
            )
            folder = out or settings.data_dir / "backtests" / _name(question)
            kept = None if fresh else backtest.reusable(folder, question)
            export = kept or _export(records, question, folder, quiet=as_json)
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


class _Records:
    """The packs, and the database of the settings, which is opened only where something asks for it."""

    def __init__(self, settings: Settings, packs: Catalogue, *, quiet: bool) -> None:
        self.packs = packs
        self._settings = settings
        self._quiet = quiet
        self._stack: Stack | None = None
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def ask(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Run a piece of work on the database."""
        stack, opens = self._stack, self._stack is None
        if stack is None:
            stack = self._stack = self._opened.enter_context(stack_of(self._settings, quiet=self._quiet))

        async def asked() -> T:
            if opens:
                await bring_up_schema(stack)
            database = Database(engine_for(stack.database_url, pool_size=1, scans=True))
            try:
                return await work(database)
            finally:
                await database.close()

        return run(asked())


def _revision(records: _Records, stated: str) -> Methodology:
    from app.backtest.candidates import revision_of  # noqa: PLC0415

    revision_id = parse_public_id("mrv", stated)
    if revision_id is None:
        raise typer.BadParameter("an id such as mrv_…", param_hint="--revision")
    return records.ask(lambda database: revision_of(database, revision_id))


def _candidate(
    records: _Records, file: Path | None, code: str | None, version: str | None, region: str | None
) -> Methodology:
    from app.backtest.candidates import from_file  # noqa: PLC0415

    if file is not None:
        return from_file(file, records.packs, code, version, region)
    return _called(records, code or "", version or "", region)


def _called(records: _Records, code: str, version: str, region: str | None) -> Methodology:
    """A version by its name: of a pack, else an operator's, for which the database is asked."""
    from app.backtest.candidates import find_methodology, in_packs, revisions_called  # noqa: PLC0415

    revisions = []
    if not in_packs(records.packs, code, version, region):
        revisions = records.ask(lambda database: revisions_called(database, code, version))
    return find_methodology(records.packs, code, version, region, revisions)


def _against(records: _Records, stated: str, candidate: Methodology) -> Methodology | None:
    from app.backtest.candidates import in_force  # noqa: PLC0415
    from app.backtest.errors import BacktestError  # noqa: PLC0415

    if stated == "credited":
        return None
    if stated == "active":
        now = utc_now()
        catalogue = records.ask(lambda database: in_force(database, records.packs, now))
        active = catalogue.select(candidate.region, candidate.scene, day_of(int(now.timestamp())))
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
        return _called(records, code, version, region or candidate.region)
    except BacktestError:
        return _called(records, code, version, region or None)


def _name(question: "Question") -> str:
    asked = question.methodology
    return f"{asked.scene}-{asked.region}-{question.first_day}-{question.last_day}"


def _export(records: _Records, question: "Question", folder: Path, *, quiet: bool) -> "Export":
    from app.backtest.candidates import in_force  # noqa: PLC0415
    from app.backtest.run import export_from  # noqa: PLC0415

    async def work(database: Database) -> "Export":
        now = utc_now()
        catalogue = await in_force(database, records.packs, now)
        return await export_from(database, catalogue, load_programmes(), question, folder, now)

    export = records.ask(work)
    if not quiet:
        errors.print(f"Exported {export.manifest.rows:,} acts to {folder}.", highlight=False, soft_wrap=True)
    return export
