"""The package of evidence of a closed period: every entry under the pseudonyms of this issuance, and what it rests on.

`entries.parquet` and `entries.csv` have one row for each entry: the holder's pseudonym, which is no other issuance's,
the day of booking, and milligrams. Rows are in the order of their pseudonyms and days, so that the order of booking is
not told, and the same entries make the same files. `methodology.json` is the text that they were computed by, with
its parameters and factors; `issuance.json` says what is closed, with the hash of each file. It is written last.
"""

import datetime
import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from app.proving.building import EntryBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARQUET, CSV, METHODOLOGY, MANIFEST = "entries.parquet", "entries.csv", "methodology.json", "issuance.json"
FILES = (PARQUET, CSV, METHODOLOGY, MANIFEST)
RAW = "raw.parquet"
MEMORY = "400MB"
_EPOCH = datetime.date(2000, 1, 1)
_SCHEMA = pa.schema(
    [
        ("holder", pa.binary(16)),
        ("who", pa.binary(16)),
        ("day", pa.int32()),
        ("kind", pa.int16()),
        ("mg", pa.int64()),
    ]
)


class Collector:
    """Counts what passes by on its way into the tree, and keeps it in one file until the package is made of it."""

    def __init__(self, folder: Path) -> None:
        self.credits_mg = self.reversals_mg = self.entries = 0
        self._folder = folder
        self._writer: pq.ParquetWriter | None = None

    async def collect(self, rows: "AsyncIterator[NDArray[np.void]]") -> AsyncIterator[EntryBatch]:
        """Hand on entries as the tree takes them. Holders' ids leave the folder when the package is made."""
        with pq.ParquetWriter(
            self._folder / RAW, _SCHEMA, compression="none", use_dictionary=False
        ) as writer:
            async for batch in rows:
                reversal = batch["kind"] > 0
                amounts = batch["amount"].astype(np.int64)
                credited, taken_back = np.where(reversal, 0, amounts), np.where(reversal, amounts, 0)
                self.credits_mg += int(credited.sum())
                self.reversals_mg += int(taken_back.sum())
                self.entries += len(batch)
                writer.write_table(
                    pa.table(
                        [
                            _fixed(batch["holder"]),
                            _fixed(batch["who"]),
                            pa.array(batch["day"].astype(np.int32)),
                            pa.array(batch["kind"].astype(np.int16)),
                            pa.array(amounts),
                        ],
                        schema=_SCHEMA,
                    )
                )
                yield EntryBatch(np.ascontiguousarray(batch["id"]).tobytes(), credited, taken_back)


def collected(folder: Path) -> bool:
    """Whether what was collected is still there, so that holders' sums can be made of it."""
    return (folder / RAW).exists()


def _fixed(column: "NDArray[np.void]") -> pa.Array:
    data = np.ascontiguousarray(column).tobytes()
    return pa.Array.from_buffers(pa.binary(16), len(column), [None, pa.py_buffer(data)])


def _connect(folder: Path) -> "duckdb.DuckDBPyConnection":
    spill = folder / "spill"
    spill.mkdir(exist_ok=True)
    return duckdb.connect(
        config={
            "memory_limit": MEMORY,
            "threads": 2,
            "temp_directory": str(spill),
            "preserve_insertion_order": False,
        }
    )


def write_rows(folder: Path) -> None:
    """Make both files of entries out of what was collected."""
    with _connect(folder) as lake:
        raw = (folder / RAW).as_posix()
        rows = f"""
            SELECT lower(hex(who)) AS holder, DATE '{_EPOCH}' + day AS booked_on,
                CASE WHEN kind = 0 THEN 'credit' ELSE 'reversal' END AS kind, mg AS co2e_mg
            FROM read_parquet('{raw}') ORDER BY who, day, kind > 0, mg"""
        parquet, csv = ((folder / name).as_posix() for name in (PARQUET, CSV))
        lake.execute("SET preserve_insertion_order = true")
        lake.execute(f"COPY ({rows}) TO '{parquet}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536)")
        lake.execute(f"COPY (SELECT * FROM read_parquet('{parquet}')) TO '{csv}' (FORMAT csv, HEADER)")


HolderSum = tuple[bytes, int]


def holder_sums(folder: Path, after: bytes, limit: int) -> list[HolderSum]:
    """(holder, mg of its credits that are not taken back) after a holder, in order; from a file made at first."""
    sums = folder / "sums.parquet"
    with _connect(folder) as lake:
        if not sums.exists():
            raw = (folder / RAW).as_posix()
            lake.execute(
                f"""
                COPY (SELECT holder, sum(CASE kind WHEN 0 THEN mg WHEN 1 THEN -mg ELSE 0 END)::BIGINT AS mg
                      FROM read_parquet('{raw}') GROUP BY holder HAVING mg > 0 ORDER BY holder)
                TO '{sums.as_posix()}.part' (FORMAT parquet, ROW_GROUP_SIZE 20000)
                """
            )
            Path(f"{sums}.part").rename(sums)
        return lake.execute(
            f"SELECT holder, mg FROM read_parquet('{sums.as_posix()}') WHERE holder > ? ORDER BY holder LIMIT ?",
            [after, limit],
        ).fetchall()


def finish(folder: Path, methodology: str, described: dict[str, Any]) -> dict[str, Any]:
    """Write the text and the manifest with every file's SHA-256; answers the manifest."""
    (folder / METHODOLOGY).write_text(methodology, encoding="utf-8")
    files = {name: _described(folder / name) for name in (PARQUET, CSV, METHODOLOGY)}
    manifest = described | {"files": files}
    (folder / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    return manifest | {"sha256": _described(folder / MANIFEST)["sha256"]}


def tidy(folder: Path) -> None:
    """Leave nothing but the package: what tells holders from their pseudonyms goes."""
    for each in (RAW, "sums.parquet", "sums.parquet.part"):
        (folder / each).unlink(missing_ok=True)
    shutil.rmtree(folder / "spill", ignore_errors=True)


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"sha256": _digest(file), "bytes": path.stat().st_size}


def _digest(file: IO[bytes]) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
