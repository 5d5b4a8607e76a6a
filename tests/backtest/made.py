"""Methodologies, acts and exports of a few lines, for tests of the engines."""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.backtest.acts import EPOCH, INPUTS, SCHEMA
from app.backtest.export import ACTS_FILE, FORMAT, Export, Manifest, write_manifest
from methodologies import Methodology, model
from points.programmes import Programme

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
PER_G = {
    "region": "100000",
    "name": {"zh": "计划", "en": "Plan"},
    "from": "2016-01-01",
    "points_per_g": 1,
    "expiry_months": 24,
}


def text(formula: str, **over: Any) -> dict[str, Any]:
    """The text of a methodology over metres and seconds whose formula is worth what it says."""
    return {
        "region": "440300",
        "scene": "trip.metro",
        "code": "TEST.metro",
        "version": "1",
        "title": {"zh": "测试", "en": "Test"},
        "authority": None,
        "document": {"title": "test"},
        "filing_no": None,
        "in_force": {"from": "2025-01-01", "to": None},
        "status": "demonstration",
        "confidence": "example",
        "demonstration_only": True,
        "inputs": [
            {"name": "distance_m", "unit": "m", "min": 1, "max": 200_000},
            {"name": "duration_s", "unit": "s", "min": 0, "max": 172_800, "required": False},
        ],
        "parameters": [],
        "formula": formula,
        "claims": [{"rule": "body", "of": "person", "period": "act", "required": True}],
        "examples": [{"inputs": {"distance_m": 1}, "co2e_g": "0", "basis": "not run here"}],
        **over,
    }


def parameter(name: str, value: str, unit: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "source": "test", "confidence": "example"}


def methodology(formula: str, **over: Any) -> Methodology:
    return Methodology(model.Methodology.model_validate(text(formula, **over)))


def metro(factor: str = "46.7", **over: Any) -> Methodology:
    return methodology("distance_m * factor", parameters=[parameter("factor", factor, "gCO2e/pkm")], **over)


def cap(per: str, *, count: int | None = None, amount_mg: int | None = None, id_: str = "") -> dict[str, Any]:
    limit = {"count": count} if amount_mg is None else {"amount_mg": amount_mg}
    return {
        "id": id_ or f"{per}_{next(iter(limit))}",
        "per": per,
        **limit,
        "basis": "programme",
        "source": "test",
    }


def act(
    holder: int, day: dt.date, region: int = 440303, version: int = 0, programme: int = 0, **inputs: int
) -> dict[str, Any]:
    return {
        "holder": holder,
        "region": region,
        "day": (day - EPOCH).days,
        "month": day.year * 100 + day.month,
        "year": day.year,
        "late_days": 0,
        "evidence": 0,
        "programme": programme,
        "version": version,
        "stored_mg": 1,
        "stored_points": 2,
        **inputs,
    }


def table_of(acts: Sequence[Mapping[str, int | None]]) -> pa.Table:
    columns = {name: [each.get(name) for each in acts] for name in SCHEMA.names if name != "act"}
    columns["act"] = list(range(1, len(acts) + 1))
    return pa.table({name: pa.array(columns[name], pa.int64()) for name in SCHEMA.names})


def export_of(
    folder: Path,
    acts: Sequence[Mapping[str, int | None]],
    versions: Sequence[Methodology],
    *,
    first: dt.date,
    last: dt.date,
    programmes: Sequence[Mapping[str, Any]] = (PER_G,),
    kinds: Sequence[str] = (),
) -> Export:
    """Write acts, in the order of holders, as an export."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ACTS_FILE
    pq.write_table(table_of(acts).cast(SCHEMA), path, row_group_size=16)
    manifest = Manifest(
        format=FORMAT,
        region="440300",
        scene="trip.metro",
        lead_day=first,
        first_day=first,
        last_day=last,
        exported_at=NOW,
        rows=len(acts),
        holders=max((each["holder"] or 0 for each in acts), default=0),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        set_aside=0,
        waiting=0,
        waiting_mg=0,
        kinds=list(kinds),
        versions=[each.content for each in versions],
        programmes=[Programme.model_validate(each) for each in programmes],
    )
    write_manifest(folder, manifest)
    return Export(folder, manifest)


def inputs_only(row: Mapping[str, int | None]) -> dict[str, int]:
    return {name: value for name in INPUTS if (value := row.get(name)) is not None}
