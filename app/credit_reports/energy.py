"""Energy, emissions and alerts of an enterprise over the last twelve whole months, no longer than months and kinds."""

import datetime
from typing import TYPE_CHECKING, Any, Final

from accounts.emissions import telling
from accounts.emissions.activity import Known, months
from accounts.emissions.computing import used_factors
from accounts.emissions.service import EmissionReport, Inputs, load, report_of
from accounts.quantities import grams
from app.credit_reports import repository, sections

if TYPE_CHECKING:
    from uuid import UUID

    from accounts.enterprises.carriers import Carrier, Flow
    from accounts.repository import Driver

KINDS: Final = ("deviation", "stuck", "gap")
MOST_FACTORS: Final = 60
"""A report lists so many factors and says how many there are; one enterprise's are a few for each carrier."""
_TOLD: Final = ("factor_id", "value", "unit", "accounting_year", "published", "source", "of_earlier_year")


async def build(
    driver: "Driver", holder_id: "UUID", as_of: datetime.date, now: datetime.datetime
) -> dict[str, sections.Section]:
    """All three of an enterprise. Energy and emissions are of the same reading of its meters."""
    since, until = sections.first_month(as_of), as_of.replace(day=1)
    inputs = await load(driver, holder_id, since, until, now)
    return {
        "energy": _energy(inputs, since, until),
        "emissions": _emissions(report_of(inputs, since, until)),
        "alerts": await _alerts(driver, holder_id, since, until),
    }


def _span(since: datetime.date, until: datetime.date) -> dict[str, str]:
    return {
        "first_day": since.isoformat(),
        "last_day": (until - datetime.timedelta(days=1)).isoformat(),
    }


def _energy(inputs: Inputs, since: datetime.date, until: datetime.date) -> sections.Section:
    """What the counting meters read, by carrier, flow and month, in the carrier's base unit.

    Null is what nothing is known of: a month without any reading is no month without use.
    """
    meters = {meter.id: meter for meter in inputs.structure.meters if meter.counts}
    if not meters:
        return sections.absent("no_meters")
    asked = months(since, until)
    sums: dict[tuple[Carrier, Flow], dict[datetime.date, tuple[int, Known]]] = {}
    for each in inputs.amounts:
        meter = meters.get(each.meter_id)
        # Of years with certificates more was read than the report tells.
        if meter is not None and since <= each.month < until:
            by_month = sums.setdefault((meter.carrier, meter.flow), {})
            amount, known = by_month.get(each.month, (0, Known()))
            by_month[each.month] = (amount + each.amount, known + each.known)
    series = [
        _series(carrier, flow, [(month, *by_month.get(month, (0, Known()))) for month in asked])
        for (carrier, flow), by_month in sorted(sums.items())
    ]
    if all(each[each["field"]] is None for each in series):
        return sections.absent("no_data")
    return {"available": True, **_span(since, until), "series": series}


def _series(carrier: "Carrier", flow: "Flow", rows: list[tuple[datetime.date, int, Known]]) -> dict[str, Any]:
    told = [amount if amount or known.measured or known.estimated else None for _month, amount, known in rows]
    read = [amount for amount in told if amount is not None]
    return {
        "carrier": carrier.value,
        "flow": flow.value,
        "field": carrier.field,
        carrier.field: sum(read) if read else None,
        "by_month": [
            {
                "month": f"{month:%Y-%m}",
                carrier.field: amount,
                "quarters_measured": known.measured,
                "quarters_estimated": known.estimated,
                "quarters_missing": known.missing,
            }
            for (month, _amount, known), amount in zip(rows, told, strict=True)
        ],
    }


def _emissions(report: EmissionReport) -> sections.Section:
    """The total and months with what a reader needs to weigh them: boundary, method, factors and data quality."""
    if not report.anything:
        return sections.absent("no_data")
    # What certificates cover wholly emits nothing, and is told as that.
    told = {
        part.month
        for part in report.computed.parts
        if part.amount or part.known.measured or part.known.estimated or part.process_id is not None
    }
    by_month = report.by_month
    factors = [
        telling.factor_view(factor) | {"of_earlier_year": carried}
        for factor, carried in used_factors(report.computed)
    ]
    boundary = telling.boundary(report)
    return {
        "available": True,
        **_span(report.since, report.until),
        "co2e_g": grams(report.total_mg),
        "complete": report.complete,
        "by_month": [
            {"month": f"{month:%Y-%m}", "co2e_g": grams(by_month[month]) if month in told else None}
            for month in months(report.since, report.until)
        ],
        "by_carrier": {carrier: grams(mg) for carrier, mg in sorted(report.by_carrier.items())},
        "gaps": _gaps(report),
        "factors": [{name: each[name] for name in _TOLD} for each in factors[:MOST_FACTORS]],
        "factors_used": len(factors),
        "certificates": sum(
            each.first_month < report.until and each.last_month >= report.since
            for each in report.certificates
        ),
        "green_energy_wh": sum(part.green_wh for part in report.computed.parts),
        "boundary": boundary | {name: len(boundary[name]) for name in ("sites", "meters")},
        "method": telling.METHOD,
        "quality": telling.quality(report),
    }


def _gaps(report: EmissionReport) -> list[dict[str, Any]]:
    """Amounts that have no emissions, by carrier and why."""
    sums: dict[tuple[Carrier, str], int] = {}
    for gap in report.computed.gaps:
        key = (gap.carrier, gap.reason)
        sums[key] = sums.get(key, 0) + gap.amount
    return [
        {"carrier": carrier.value, "reason": reason, carrier.field: amount}
        for (carrier, reason), amount in sorted(sums.items())
    ]


async def _alerts(
    driver: "Driver", holder_id: "UUID", since: datetime.date, until: datetime.date
) -> sections.Section:
    """Episodes that touch the time, by kind, and where people are with them; every kind is told."""
    if not await repository.has_meters(driver, holder_id):
        return sections.absent("no_meters")
    known = await repository.alerts(driver, holder_id, since, until)
    states = ("open", "acknowledged", "closed")
    kinds: list[dict[str, Any]] = [
        {"kind": kind, "alerts": sum(found.values())} | {state: found.get(state, 0) for state in states}
        for kind, found in ((kind, known.get(kind, {})) for kind in KINDS)
    ]
    totals = {name: sum(each[name] for each in kinds) for name in ("alerts", *states)}
    return {"available": True, **_span(since, until), **totals, "by_kind": kinds}
