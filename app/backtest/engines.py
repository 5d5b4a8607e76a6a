"""DuckDB and Spark, the same Ibis expression on both."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import ibis
import ibis.expr.types as ir

from app.backtest import columns
from app.backtest.acts import EPOCH
from app.backtest.errors import BacktestError
from app.backtest.export import Export, Manifest
from app.backtest.figures import (
    DECILES,
    SUMS,
    TOP,
    CapReached,
    Findings,
    Group,
    HolderSums,
    Refusals,
    Sums,
    total,
)
from app.backtest.formula import REASONS
from app.backtest.rows import month_text
from methodologies import Methodology

MEMORY_LIMIT: Final = "640MB"
"""Of DuckDB; what does not fit goes to the folder of the export."""
THREADS: Final = 2
ACTS_AT_ONCE: Final = 1_000_000
"""About so many acts are computed at a time on one machine; a cluster takes them all."""

_WIDE_QUOTIENT = "CAST(CAST(a AS HUGEINT) // CAST(b AS HUGEINT) AS BIGINT)"
_WIDE_ARGUMENTS = "a DECIMAL(38,0), b DECIMAL(38,0)"
_MAKE = "CREATE OR REPLACE TEMPORARY FUNCTION"
_DUCKDB = (
    f"CREATE OR REPLACE TEMP MACRO {columns.DIVIDE}(a, b) AS a // b",
    f"CREATE OR REPLACE TEMP MACRO {columns.DIVIDE_WIDE}(a, b) AS {_WIDE_QUOTIENT}",
)
_SPARK = (
    f"{_MAKE} {columns.DIVIDE}(a BIGINT, b BIGINT) RETURNS BIGINT RETURN a DIV b",
    f"{_MAKE} {columns.DIVIDE_WIDE}({_WIDE_ARGUMENTS}) RETURNS BIGINT RETURN a DIV b",
)
_STORED = ("stored_mg", "stored_points")
_DECISIONS = ("before_refusal", "after_refusal", "before_cap", "after_cap")


@contextmanager
def duckdb_engine(scratch: Path) -> Iterator[Any]:
    """DuckDB in this process, bounded in memory and threads."""
    scratch.mkdir(parents=True, exist_ok=True)
    connection = ibis.duckdb.connect(
        memory_limit=MEMORY_LIMIT,
        threads=THREADS,
        temp_directory=str(scratch),
        preserve_insertion_order=False,
    )
    try:
        for statement in _DUCKDB:
            connection.raw_sql(statement)
        yield connection
    finally:
        connection.disconnect()


@contextmanager
def spark_engine(_scratch: Path) -> Iterator[Any]:
    """The Spark cluster that Spark's own configuration names, this machine where it names none.

    Raises `BacktestError` where the extra `spark` is not installed.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise BacktestError(
            "未安装 PySpark：pip install 'tanpuhui[spark]'",
            "PySpark is not installed: pip install 'tanpuhui[spark]'",
        ) from None
    session = SparkSession.builder.appName("tanpuhui-backtest").getOrCreate()
    # An overflow is an error there, too, and never a wrapped number.
    session.conf.set("spark.sql.ansi.enabled", "true")
    session.conf.set("spark.sql.decimalOperations.allowPrecisionLoss", "false")
    connection = ibis.pyspark.connect(session)
    for statement in _SPARK:
        session.sql(statement)
    yield connection


ENGINES: Final[dict[str, Callable[[Path], Any]]] = {"duckdb": duckdb_engine, "spark": spark_engine}


def find(engine: str, export: Export, before: Methodology | None, after: Methodology) -> Findings:
    """Compute an export again; `before` is None where each act's own methodology is meant.

    Raises `EngineRefused` before anything is computed where a step would not be exact.
    """
    manifest = export.manifest
    sides = (
        columns.side_of("before", export.versions() if before is None else [before], engine, manifest.kinds),
        columns.side_of("after", [after], engine, manifest.kinds),
    )
    with ENGINES[engine](export.folder / "scratch") as connection, _Parts(sides) as parts:
        table = connection.read_parquet(str(export.acts))
        if before is not None:
            table = table.mutate(version=ibis.literal(0, type="int64"))
        for first, last in _slices(manifest, engine):
            some = table.filter((table["holder"] >= first) & (table["holder"] <= last))
            with _decided(some, sides, manifest, engine).cache() as acts:
                parts.take(acts)
        return parts.findings()


def _slices(manifest: Manifest, engine: str) -> list[tuple[int, int]]:
    """Ranges of holders. The file is in their order, so that a range reads its own part of it only."""
    count = -(-manifest.rows // ACTS_AT_ONCE) if engine == "duckdb" else 1
    size = max(1, -(-manifest.holders // max(count, 1)))
    starts = range(1, max(manifest.holders, 1) + 1, size)
    return [(start, start + size - 1) for start in starts]


def _decided(
    table: ir.Table, sides: tuple[columns.Side, columns.Side], manifest: Manifest, engine: str
) -> ir.Table:
    """Each act of the period with what both sides make of it; those of the lead days count for caps only."""
    for side in sides:
        table = columns.with_amounts(table, side)
    for side in sides:
        table = columns.with_caps(table, side)
    for side in sides:
        table = columns.with_points(table, side, manifest.scene, manifest.programmes, engine)
    newly = (table["after_capped"] == 1) & (table["before_capped"] == 0)
    one = ibis.literal(1, type="int64")
    table = table.mutate(activities=one, newly_capped=ibis.ifelse(newly, one, one - 1))
    first = ibis.literal((manifest.first_day - EPOCH).days, type="int64")
    keys = ("holder", "region", "month", *_DECISIONS)
    return table.filter(table["day"] >= first).select(*keys, *SUMS, *_STORED)


class _Parts:
    """What the slices add up to. Holders are in one slice each, so that counts of them add up, too."""

    def __init__(self, sides: tuple[columns.Side, columns.Side]) -> None:
        # By the number that an act has where a cap held it back.
        self._caps = [[cap.key for cap in side.caps] for side in sides]
        self._capped: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._newly: Counter[str] = Counter()
        self._newly_holders: Counter[str] = Counter()
        self._groups: dict[str, dict[int, list[Group]]] = {"region": {}, "month": {}}
        self._before: Counter[int] = Counter()
        self._after: Counter[int] = Counter()
        self._holders: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Drop what is kept, while the engine is there."""
        while self._holders:
            self._holders.pop().release()

    def take(self, acts: ir.Table) -> None:
        """Add a slice."""
        self._holders.append(
            acts.group_by("holder")
            .aggregate(**{name: _sum(acts[name]) for name in (*SUMS, *_STORED)})
            .cache()
        )
        for key, groups in self._groups.items():
            for row in _rows(_grouped(acts, key)):
                groups.setdefault(row[key], []).append(Group("", _sums(row), row["holders"]))
        decided = acts.group_by(*_DECISIONS).aggregate(acts=acts.count())
        for row in _rows(decided):
            self._before[row["before_refusal"]] += row["acts"]
            self._after[row["after_refusal"]] += row["acts"]
            caps = (row["before_cap"], row["after_cap"])
            for counted, keys, cap in zip(self._capped, self._caps, caps, strict=True):
                if cap:
                    counted[keys[cap - 1]] += row["acts"]
            if caps[1] and not caps[0]:
                self._newly[self._caps[1][caps[1] - 1]] += row["acts"]
        if self._caps[1]:
            newly = acts.filter(acts["newly_capped"] == 1)
            for row in _rows(newly.group_by("after_cap").aggregate(holders=newly["holder"].nunique())):
                self._newly_holders[self._caps[1][row["after_cap"] - 1]] += row["holders"]

    def findings(self) -> Findings:
        """All slices together."""
        first, *others = self._holders
        holders = ibis.union(first, *others) if others else first
        change = holders["after_mg"] - holders["before_mg"]
        newly = (holders["after_capped"] > 0) & (holders["before_capped"] == 0)
        one = _rows(
            holders.aggregate(
                holders=holders.count(),
                newly=newly.ifelse(1, 0).sum(),
                **{name: _sum(holders[name]) for name in (*SUMS, *_STORED)},
            )
        )[0]
        decile = ibis.ntile(DECILES).over(ibis.window(order_by=["before_mg", "holder"]))
        deciles = _rows(
            _grouped(holders.mutate(decile=decile.cast("int64") + 1), "decile").order_by("decile")
        )
        gain, lose = (
            _rows(holders.filter(test).order_by([order, "holder"]).limit(TOP))
            for test, order in ((change > 0, change.desc()), (change < 0, change.asc()))
        )
        return Findings(
            total=_sums(one),
            holders=one["holders"],
            holders_newly_capped=one["newly"] or 0,
            stored_mg=one["stored_mg"] or 0,
            stored_points=one["stored_points"] or 0,
            regions=self._joined("region", str),
            months=self._joined("month", month_text),
            deciles=tuple(Group(str(row["decile"]), _sums(row), row["holders"]) for row in deciles),
            gain=tuple(HolderSums(row["holder"], _sums(row)) for row in gain),
            lose=tuple(HolderSums(row["holder"], _sums(row)) for row in lose),
            caps=tuple(
                CapReached(
                    key,
                    self._capped[0][key],
                    self._capped[1][key],
                    self._newly[key],
                    self._newly_holders[key],
                )
                for key in sorted({*self._capped[0], *self._capped[1]})
            ),
            refused=tuple(
                Refusals(reason, self._before[place], self._after[place])
                for place, reason in enumerate(REASONS, 1)
                if self._before[place] or self._after[place]
            ),
        )

    def _joined(self, key: str, text: Callable[[int], str]) -> tuple[Group, ...]:
        return tuple(
            Group(text(value), total(each.sums for each in groups), sum(each.holders for each in groups))
            for value, groups in sorted(self._groups[key].items())
        )


def _grouped(table: ir.Table, key: str) -> ir.Table:
    return table.group_by(key).aggregate(
        holders=table["holder"].nunique(), **{name: _sum(table[name]) for name in SUMS}
    )


def _sum(column: ir.Column) -> ir.Scalar:
    """An exact sum: of integers, as an integer; one that does not fit is an error."""
    return column.sum().cast("int64")


def _sums(row: dict[str, Any]) -> Sums:
    return Sums(**{name: row[name] or 0 for name in SUMS})


def _rows(table: ir.Table) -> Sequence[dict[str, Any]]:
    found: list[dict[str, Any]] = table.to_pyarrow().to_pylist()
    return found
