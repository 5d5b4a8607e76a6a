"""What an export keeps of an act, and what a methodology makes of it: as the crediting does, without its claims."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa

from methodologies import Methodology, Refused
from methodologies.model import INPUT_UNITS

INPUTS: Final = (*sorted(INPUT_UNITS), "count")
EPOCH: Final = dt.date(1970, 1, 1)
EVIDENCE: Final = ("platform", "self_report")
"""By the number that the column `evidence` has."""

_FIXED = (
    "act",
    "holder",
    "region",
    "day",
    "month",
    "year",
    "late_days",
    "evidence",
    "programme",
    "version",
    "stored_mg",
    "stored_points",
)
# `kind` is a place in the manifest's `kinds`; `late_days` are local days from the act to its booking.
SCHEMA: Final = pa.schema(
    [pa.field(name, pa.int64(), nullable=False) for name in _FIXED]
    + [pa.field(name, pa.int64()) for name in ("kind", *INPUTS)]
)

Act = Mapping[str, int | None]


def inputs_of(act: Act, kinds: Sequence[str]) -> dict[str, int | str]:
    """Return what `quantify` is given of an act: its inputs, its kind, and the place and time of tables."""
    own: dict[str, int | str] = {name: value for name in INPUTS if (value := act[name]) is not None}
    region, month, kind = act["region"], act["month"], act["kind"]
    if region is None or month is None:
        raise ValueError("an act has a region and a month")
    if kind is not None:
        own["kind"] = kinds[kind]
    return own | {"province": region // 10_000 * 10_000, "year": month // 100, "month": month % 100}


def earned(methodology: Methodology, act: Act, inputs: Mapping[str, int | str]) -> tuple[int, int]:
    """Return the mg CO2e that are computed, and those that the report's evidence earns; caps come after.

    Raises `Refused` as the crediting refuses: first by the day of the report, then by kind, then by formula.
    """
    within = methodology.text.report_within_days
    if within is not None and (act["late_days"] or 0) > within:
        raise Refused("reported_late", "started_at")
    if act["kind"] is not None and "kind" not in methodology.context:
        raise Refused("unknown_kind", "kind")
    quantified = methodology.quantify(inputs)
    return quantified, methodology.share(quantified, EVIDENCE[act["evidence"] or 0])
