"""Takes the activities of a period out of PostgreSQL, once, into Parquet.

One file of integers: acts in the order of their holders and, of one holder, in the order in which they
happened. Holders are numbered by the way in an order that a random seed decides and nobody keeps, so that
no number leads back to a holder. A manifest is written last; a folder without it is not complete.
"""

import datetime as dt
import hashlib
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from accounts.ids import lowest_uuid7
from app.backtest.acts import EPOCH, INPUTS, SCHEMA, Act, earned, inputs_of
from app.backtest.errors import BacktestError
from app.backtest.formula import REASONS
from dedup.periods import LOCAL
from methodologies import Catalogue, Methodology, Refused, rebuild
from points.programmes import Programme, Programmes

if TYPE_CHECKING:
    import asyncpg

CHUNK = 50_000
"""Rows in memory at a time, and of a row group."""
ACTS_FILE = "acts.parquet"
MANIFEST_FILE = "manifest.json"
FORMAT = 2

# A report may be ahead of the service's clock by minutes; a day is generous.
_AHEAD = dt.timedelta(days=1)
# What an act was found to earn. The ledger holds nothing of it while it waits to be collected, or has lapsed.
_EARNED_MG = "(co2e_mg + aggregated_mg)"
_BOOKED_MG = f"CASE WHEN outcome = 'pending' THEN 0 ELSE {_EARNED_MG} END"
_BOOKED_POINTS = "CASE WHEN outcome = 'pending' THEN 0 ELSE points END"
# The id carries the moment of booking, which decides whether a report came in time.
_BOOKED_AT = "to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000)"
_ACT_DAY = "(started_at AT TIME ZONE 'Asia/Shanghai')::date"
_QUERY = f"""
SELECT holder_id, region,
       {_ACT_DAY} - date '1970-01-01' AS day,
       ({_BOOKED_AT} AT TIME ZONE 'Asia/Shanghai')::date - {_ACT_DAY} AS late_days,
       (evidence = 'self_report')::int AS evidence, inputs->>'kind' AS kind,
       outcome = 'rejected' AND reason <> 'cap_reached' AS refused,
       CASE WHEN outcome = 'pending' THEN {_EARNED_MG} END AS waiting_mg,
       methodology_id, {_BOOKED_MG} AS stored_mg, {_BOOKED_POINTS} AS stored_points,
       {", ".join(f"(inputs->>'{name}')::bigint AS {name}" for name in INPUTS)}
FROM activities
WHERE id >= $1 AND scene = $2 AND started_at >= $3 AND started_at < $4 AND region LIKE $5
  AND reversed_at IS NULL
  AND (outcome IN ('credited', 'capped', 'pending') OR outcome = 'rejected' AND reason = ANY($6))
ORDER BY uuid_hash_extended(holder_id, $7), holder_id, started_at, id
"""


class Manifest(BaseModel):
    """What an export holds. Days are local, both inclusive; `lead_day` is the first day of an open cap window."""

    format: int
    region: str
    scene: str
    lead_day: dt.date
    first_day: dt.date
    last_day: dt.date
    exported_at: dt.datetime
    rows: int
    holders: int
    sha256: str
    set_aside: int
    """Rejected for more than the text, so that no text can credit them."""
    waiting: int
    """Acts of the period that wait to be collected or have lapsed; `waiting_mg` is what they would book."""
    waiting_mg: int
    kinds: list[str]
    """The kinds of the acts, by their number in the file."""
    versions: list[str]
    """Canonical content of the methodologies that decided the acts."""
    programmes: list[Programme]


@dataclass(frozen=True, slots=True)
class Export:
    """A complete export."""

    folder: Path
    manifest: Manifest

    @property
    def acts(self) -> Path:
        """The Parquet file."""
        return self.folder / ACTS_FILE

    def versions(self) -> list[Methodology]:
        """The methodologies that decided the acts, by their number in the file."""
        return [rebuild(content) for content in self.manifest.versions]


def open_export(folder: Path) -> Export | None:
    """Return the export in a folder, or None where there is none that is complete."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
        with (folder / ACTS_FILE).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValidationError):
        return None
    return Export(folder, manifest) if (manifest.format, manifest.sha256) == (FORMAT, digest) else None


def serves(export: Export, methodology: Methodology, first: dt.date, last: dt.date, lead: dt.date) -> bool:
    """Whether an export is of this region, scene and period and reaches back to `lead`."""
    kept = export.manifest
    place = (methodology.region, methodology.scene)
    return (kept.region, kept.scene, kept.first_day, kept.last_day) == (*place, first, last) and (
        kept.lead_day <= lead
    )


def lead_day(methodologies: Iterable[Methodology], first: dt.date) -> dt.date:
    """Return the first day of the longest cap window that is open when the period begins."""
    per = {cap.per for each in methodologies for cap in each.caps}
    if "year" in per:
        return first.replace(month=1, day=1)
    return first.replace(day=1) if "month" in per else first


def midnight(day: dt.date) -> dt.datetime:
    """Return the first moment of a local day."""
    return dt.datetime.combine(day, dt.time(), LOCAL)


async def recorded_versions(driver: "asyncpg.Connection", scene: str) -> dict[int, str]:
    """Return the content of every version that this database knows of a scene, by its id."""
    rows = await driver.fetch("SELECT id, content FROM methodology_versions WHERE scene = $1", scene)
    return {row["id"]: row["content"] for row in rows}


class Exporter:
    """Exports the acts that a methodology would decide: its scene, its region, and no nearer rule in force."""

    def __init__(self, catalogue: Catalogue, programmes: Programmes, methodology: Methodology) -> None:
        self._catalogue = catalogue
        self._programmes = programmes
        self._methodology = methodology
        self._meant: dict[tuple[str, int], bool] = {}
        self._programme_of: dict[tuple[str, int], int] = {}
        self._numbers: dict[str, int] = {}
        self._used: list[Programme] = []
        self._versions: dict[int, tuple[int, Methodology]] = {}
        self._contents: list[str] = []
        self._act = 0
        self._holder = 0
        self._last: Any = None
        self._set_aside = 0
        self._waiting = self._waiting_mg = 0
        self._kinds: dict[str, int] = {}
        self._first_day = 0

    async def run(
        self,
        driver: "asyncpg.Connection",
        folder: Path,
        period: tuple[dt.date, dt.date, dt.date],
        now: dt.datetime,
    ) -> Export:
        """Write the acts of `period` (lead day, first day, last day); `driver` reads one snapshot."""
        lead, first, last = period
        self._first_day = (first - EPOCH).days
        draft = _cleared(folder)
        known = await recorded_versions(driver, self._methodology.scene)
        with pq.ParquetWriter(draft, SCHEMA, compression="zstd") as writer:
            async for rows in self._chunks(driver, lead, last):
                writer.write_batch(self._batch(rows, known))
        with draft.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        draft.replace(folder / ACTS_FILE)
        manifest = Manifest(
            format=FORMAT,
            region=self._methodology.region,
            scene=self._methodology.scene,
            lead_day=lead,
            first_day=first,
            last_day=last,
            exported_at=now,
            rows=self._act,
            holders=self._holder,
            sha256=digest,
            set_aside=self._set_aside,
            waiting=self._waiting,
            waiting_mg=self._waiting_mg,
            kinds=list(self._kinds),
            versions=self._contents,
            programmes=self._used,
        )
        write_manifest(folder, manifest)
        return Export(folder, manifest)

    async def _chunks(
        self, driver: "asyncpg.Connection", lead: dt.date, last: dt.date
    ) -> AsyncIterator[Sequence[Any]]:
        # Whatever is booked later is found, too: only the lower bound of the id is known.
        lowest = lowest_uuid7(midnight(lead) - _AHEAD)
        cursor = await driver.cursor(
            _QUERY,
            lowest,
            self._methodology.scene,
            midnight(lead),
            midnight(last + dt.timedelta(days=1)),
            _pattern(self._methodology.region),
            [*REASONS, "cap_reached"],
            secrets.randbits(63),
        )
        while rows := await cursor.fetch(CHUNK):
            yield rows

    def _batch(self, rows: Sequence[Any], known: dict[int, str]) -> pa.RecordBatch:
        taken = [values for row in rows if (values := self._values(row, known)) is not None]
        arrays = [pa.array([values[name] for values in taken], pa.int64()) for name in SCHEMA.names]
        return pa.record_batch(arrays, schema=SCHEMA)

    def _values(self, row: Any, known: dict[int, str]) -> Act | None:
        act = dict(row)
        holder, region, day, kind = act["holder_id"], act["region"], act["day"], act["kind"]
        if not self._is_meant(region, day):
            return None
        date = EPOCH + dt.timedelta(days=day)
        act["version"], methodology = self._version(act["methodology_id"], known)
        act |= {"region": int(region), "month": date.year * 100 + date.month, "year": date.year}
        if kind is not None:
            act["kind"] = self._kinds.setdefault(kind, len(self._kinds))
        if act["refused"] and _credits(methodology, act, list(self._kinds)):
            self._set_aside += 1
            return None
        if act["waiting_mg"] is not None and day >= self._first_day:
            self._waiting += 1
            self._waiting_mg += act["waiting_mg"]
        if holder != self._last:
            self._last = holder
            self._holder += 1
        self._act += 1
        return act | {
            "act": self._act,
            "holder": self._holder,
            "programme": self._programme(region, day),
        }

    def _is_meant(self, region: str, day: int) -> bool:
        key = (region, day)
        if key not in self._meant:
            own = self._methodology
            date = EPOCH + dt.timedelta(days=day)
            chain = self._catalogue.chain(region, own.scene, date)
            found = self._catalogue.select(region, own.scene, date)
            nearer = found is not None and found.region in chain[: _place(chain, own.region)]
            self._meant[key] = own.region in chain and not nearer
        return self._meant[key]

    def _version(self, methodology_id: int, known: dict[int, str]) -> tuple[int, Methodology]:
        found = self._versions.get(methodology_id)
        if found is None:
            content = known[methodology_id]
            found = self._versions[methodology_id] = (len(self._contents), rebuild(content))
            self._contents.append(content)
        return found

    def _programme(self, region: str, day: int) -> int:
        key = (region, day)
        if key not in self._programme_of:
            programme = self._programmes.of(region, EPOCH + dt.timedelta(days=day))
            text = programme.model_dump_json()
            if text not in self._numbers:
                self._numbers[text] = len(self._used)
                self._used.append(programme)
            self._programme_of[key] = self._numbers[text]
        return self._programme_of[key]


def _cleared(folder: Path) -> Path:
    """Make the folder, take away the manifest of an earlier export; return where the acts are written first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    return folder / (ACTS_FILE + ".new")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Complete an export."""
    draft = folder / (MANIFEST_FILE + ".new")
    draft.write_bytes(
        orjson.dumps(manifest.model_dump(mode="json", by_alias=True), option=orjson.OPT_INDENT_2)
    )
    draft.replace(folder / MANIFEST_FILE)


def days_between(first: dt.date, last: dt.date) -> None:
    """Raise `BacktestError` where a period is none."""
    if last < first:
        raise BacktestError("--to 早于 --from", "--to is before --from")


def _pattern(region: str) -> str:
    """Regions below one, as LIKE finds them; all below the nation."""
    if region.endswith("0000"):
        return "%" if region.startswith("10") else region[:2] + "%"
    return region[:4] + "%" if region.endswith("00") else region


def _place(chain: tuple[str, ...], region: str) -> int:
    return chain.index(region) if region in chain else 0


def _credits(methodology: Methodology, act: Act, kinds: Sequence[str]) -> bool:
    try:
        earned(methodology, act, inputs_of(act, kinds))
    except Refused:
        return False
    return True
