"""One backtest from question to report."""

import datetime as dt
import time
from dataclasses import dataclass
from pathlib import Path

from app.backtest import engines, rows
from app.backtest.errors import BacktestError
from app.backtest.export import (
    Export,
    Exporter,
    days_between,
    lead_day,
    open_export,
    recorded_versions,
    serves,
)
from app.backtest.report import Report, tables_of
from app.database import Database
from methodologies import Catalogue, Methodology, rebuild
from points.programmes import Programmes

ROWS = "rows"
ENGINES = (*engines.ENGINES, ROWS)


@dataclass(frozen=True, slots=True)
class Question:
    """What to backtest. Days are local, both inclusive; `against` None means what decided each act."""

    methodology: Methodology
    against: Methodology | None
    first_day: dt.date
    last_day: dt.date

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        days_between(self.first_day, self.last_day)
        if self.against is not None and self.against.scene != self.methodology.scene:
            raise BacktestError("两个方法学的场景不同", "the two methodologies are of different scenes")


def reusable(folder: Path, question: Question) -> Export | None:
    """Return the complete export in a folder where it serves the question."""
    export = open_export(folder)
    if export is None:
        return None
    known = [*_asked(question), *export.versions()]
    lead = lead_day(known, question.first_day)
    served = serves(export, question.methodology, question.first_day, question.last_day, lead)
    return export if served else None


async def export_from(
    database: Database,
    catalogue: Catalogue,
    programmes: Programmes,
    question: Question,
    folder: Path,
    now: dt.datetime,
) -> Export:
    """Export the period of a question out of one snapshot of the database."""
    async with database.snapshot() as driver:
        recorded = await recorded_versions(driver, question.methodology.scene)
        versions = [rebuild(content) for content in recorded.values()]
        lead = lead_day([*_asked(question), *versions], question.first_day)
        exporter = Exporter(catalogue, programmes, question.methodology)
        return await exporter.run(driver, folder, (lead, question.first_day, question.last_day), now)


def answer(question: Question, export: Export, engine: str, *, reused: bool) -> Report:
    """Compute an export again; raises `EngineRefused` where the engine cannot do it exactly."""
    began = time.perf_counter()
    before = export.versions() if question.against is None else [question.against]
    asked = (export, question.against, question.methodology)
    findings = rows.find(*asked) if engine == ROWS else engines.find(engine, *asked)
    return Report(
        methodology=question.methodology,
        against=question.against,
        manifest=export.manifest,
        reused=reused,
        engine=engine,
        seconds=f"{time.perf_counter() - began:.1f}",
        findings=findings,
        tables=tables_of(findings, question.methodology.scene, (before, [question.methodology])),
    )


def _asked(question: Question) -> list[Methodology]:
    return [each for each in (question.methodology, question.against) if each is not None]
