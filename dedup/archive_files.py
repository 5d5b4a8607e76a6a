"""Parquet files of archived months: rows by token, which is what they are sorted by, and what writes them."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import duckdb
    import pyarrow.parquet as pq

_FILES_KEPT: Final = 64


class ArchiveUnavailable(OSError):
    """An archive of claims cannot be read here: nothing may be decided that it could speak against."""


def rows_of(
    path: Path, rows: int | None, tokens: Collection[str], wanted: Sequence[str]
) -> list[dict[str, Any]]:
    """The rows of a file on some tokens, hexadecimal. A few row groups are read, each once.

    Raises `ArchiveUnavailable` where it cannot be read, or has not the number of rows that it was written with.
    """
    import pyarrow as pa  # noqa: PLC0415 - only who meets an archive needs it
    import pyarrow.compute as pc  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    try:
        stat = path.stat()
        metadata, lows, highs = _bounds(path, stat.st_mtime_ns, stat.st_size)
        if metadata.num_rows != rows:
            raise ArchiveUnavailable(f"{path} does not hold what was written")
        asked: dict[int, list[str]] = defaultdict(list)
        for token in tokens:
            place = bisect_left(highs, token)
            while place < len(lows) and lows[place] <= token:
                asked[place].append(token)
                place += 1
        found: list[dict[str, Any]] = []
        with pq.ParquetFile(path, metadata=metadata) as file:
            for place, names in sorted(asked.items()):
                group = file.read_row_group(place, list(wanted), use_threads=False)
                found += group.filter(pc.is_in(group["token"], value_set=pa.array(names))).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise ArchiveUnavailable(f"{path} cannot be read") from error
    return found


@lru_cache(_FILES_KEPT)
def _bounds(path: Path, _changed_ns: int, _size: int) -> "tuple[pq.FileMetaData, list[str], list[str]]":
    """What a file says of itself, and the first and the last token of each of its row groups."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    metadata = pq.read_metadata(path)
    found = [
        metadata.row_group(place).column(0).statistics
        for place in range(metadata.num_row_groups)
        if metadata.row_group(place).num_rows
    ]
    return metadata, [each.min for each in found], [each.max for each in found]


def opened(book: Path | None = None) -> "duckdb.DuckDBPyConnection":
    """A connection to write and check files by, on one thread; it loads nothing from anywhere.

    Its own tables are in memory, or in the file `book`.
    """
    import duckdb  # noqa: PLC0415 - only who meets an archive needs it

    return duckdb.connect(
        ":memory:" if book is None else str(book),
        config={
            "threads": 1,
            "memory_limit": "512MB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
