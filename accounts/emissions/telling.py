"""A report as plain JSON: what the API answers, and what a statement keeps."""

import datetime
import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from accounts.emissions.activity import Known
from accounts.emissions.computing import PROCESS, Gap, Part, used_factors
from accounts.emissions.factors import UNITS, Factor
from accounts.emissions.service import EmissionReport
from accounts.enterprises.carriers import Carrier
from accounts.ids import public_id
from accounts.quantities import grams

if TYPE_CHECKING:
    from uuid import UUID

METHOD = {
    "zh": (
        "排放量＝活动量×当日有效的排放因子，只在合计时取整一次。外购电按关口表计；厂内光伏自用电网关口表未计入，"
        "不重复扣减；上网电量不扣减。注销绿证所覆盖的外购电为零，当年其余外购电用不含市场化交易非化石电量的因子。"
        "水不在边界内。"
    ),
    "en": (
        "Emissions are activity times the factor of its day, rounded once, at the total. Bought power is that of the "
        "boundary meter; own solar power that it never saw is not deducted again, exported power never. Bought power "
        "that cancelled certificates cover counts nothing, and the rest of that year's takes the factor without "
        "market-traded non-fossil power. Water is outside the boundary."
    ),
}
ACTIVITY, FACTORS, CERTIFICATES, PROCESSES, BOUNDARY = (
    "activity",
    "factors",
    "certificates",
    "processes",
    "boundary",
)
_PARTS = {
    ACTIVITY: ("activities", "gaps"),
    FACTORS: ("factors",),
    CERTIFICATES: ("certificates",),
    PROCESSES: ("processes",),
    BOUNDARY: ("boundary",),
}
"""What may change from one statement to the next, and where a content has it."""


def content(report: EmissionReport) -> dict[str, Any]:
    """All that a report has: totals, what they come from, boundary, method, factors, and what is left out."""
    first = report.since.isoformat()
    last = (report.until - datetime.timedelta(days=1)).isoformat()
    return {
        "first_day": first,
        "last_day": last,
        "co2e_g": grams(report.total_mg),
        "complete": report.complete,
        "by_month": {f"{month:%Y-%m}": grams(mg) for month, mg in sorted(report.by_month.items())},
        "by_carrier": {carrier: grams(mg) for carrier, mg in sorted(report.by_carrier.items())},
        "by_site": sites(report),
        "by_line": lines(report),
        "activities": [_activity(part) for part in report.computed.parts if part.carrier != PROCESS],
        "gaps": [_gap(gap) for gap in report.computed.gaps],
        "factors": [_factor(factor, carried=carried) for factor, carried in used_factors(report.computed)],
        "certificates": [
            {
                "number": each.number,
                "energy_wh": each.energy_wh,
                "used_wh": report.cover.used.get(each.number, 0),
                "first_month": f"{each.first_month:%Y-%m}",
                "last_month": f"{each.last_month:%Y-%m}",
            }
            for each in report.certificates
        ],
        "processes": [
            {
                "process_id": public_id("prc", each.id),
                "site_id": public_id("sit", each.site_id),
                "line_id": None if each.line_id is None else public_id("lin", each.line_id),
                "month": f"{each.month:%Y-%m}",
                "co2e_g": grams(each.mg),
            }
            for each in report.processes
        ],
        "boundary": boundary(report),
        "method": METHOD,
        "quality": quality(report),
    }


def sites(report: EmissionReport) -> list[dict[str, Any]]:
    """Each site with what it emitted."""
    found = report.by_site
    return [
        {"site_id": public_id("sit", site.id), "name": site.name, "co2e_g": grams(found.get(site.id, 0))}
        for site in report.structure.sites
    ]


def lines(report: EmissionReport) -> list[dict[str, Any]]:
    """Each line with its share, and what no line's meter saw."""
    found = report.by_line
    named: list[tuple[UUID | None, str | None]] = [(line.id, line.name) for line in report.structure.lines]
    return [
        {
            "line_id": None if line_id is None else public_id("lin", line_id),
            "name": name,
            "co2e_g": grams(found.get(line_id, 0)),
        }
        for line_id, name in (*named, (None, None))
    ]


def boundary(report: EmissionReport) -> dict[str, Any]:
    """The organisation, its sites and the meters that count."""
    structure = report.structure
    return {
        "organisation": structure.name,
        "region": structure.region,
        "sites": [
            {"site_id": public_id("sit", site.id), "name": site.name, "region": site.region}
            for site in structure.sites
        ],
        "meters": [
            {
                "meter_id": public_id("mtr", meter.id),
                "number": structure.numbers[meter.id],
                "carrier": meter.carrier,
                "flow": meter.flow,
            }
            for meter in structure.meters
            if meter.counts
        ],
        "sources": ["combustion", "purchased_electricity", "purchased_heat", "process"],
        "excluded": [Carrier.WATER],
    }


def quality(report: EmissionReport) -> dict[str, Any]:
    """Quarter-hours by how they are known, and what a reader should know of the factors and meters."""
    remarks = set()
    for factor, carried in used_factors(report.computed):
        if carried:
            remarks.add("factor_of_earlier_year")
        if factor.confidence != "quoted":
            remarks.add(f"factor_{factor.confidence}")
    if report.computed.excess:
        remarks.add("meters_contradict")
    if report.known.estimated:
        remarks.add("readings_estimated")
    if report.known.missing:
        remarks.add("readings_missing")
    remarks |= {gap.reason for gap in report.computed.gaps}
    return {**_known(report.known), "remarks": sorted(remarks)}


def canonical(found: dict[str, Any]) -> bytes:
    """The bytes of a content that its hash is of."""
    return orjson.dumps(found, option=orjson.OPT_SORT_KEYS)


def hashed(text: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(text).digest()


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What changed from one content to the next."""
    return [
        name for name, keys in _PARTS.items() if any(_bare(before, key) != _bare(after, key) for key in keys)
    ]


def _bare(found: dict[str, Any], key: str) -> Any:
    """What was used, without the factor that it was multiplied with."""
    if key != "activities":
        return found.get(key)
    return [{name: value for name, value in each.items() if name != "factor_id"} for each in found[key]]


def _known(known: Known) -> dict[str, int]:
    return {
        "quarters_measured": known.measured,
        "quarters_estimated": known.estimated,
        "quarters_missing": known.missing,
    }


def _activity(part: Part) -> dict[str, Any]:
    carrier = Carrier(part.carrier)
    electric = carrier is Carrier.ELECTRICITY
    return {
        "site_id": public_id("sit", part.site_id),
        "carrier": carrier,
        "fuel": part.fuel or None,
        "month": f"{part.month:%Y-%m}",
        carrier.field: part.amount,
        **(
            {"own_energy_wh": part.own, "exported_energy_wh": part.exported, "green_energy_wh": part.green_wh}
            if electric
            else {}
        ),
        "factor_id": part.factor_id or None,
        **_known(part.known),
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "site_id": public_id("sit", gap.site_id),
        "carrier": gap.carrier,
        "fuel": gap.fuel or None,
        "month": f"{gap.month:%Y-%m}",
        gap.carrier.field: gap.amount,
        "reason": gap.reason,
    }


def _factor(factor: Factor, *, carried: bool) -> dict[str, Any]:
    return {**factor_view(factor), "of_earlier_year": carried}


def factor_view(factor: Factor) -> dict[str, Any]:
    """A factor with where it comes from: three years stand apart, of the data, of the publication, of the accounts."""
    return {
        "factor_id": factor.id,
        "kind": factor.kind,
        "fuel": factor.fuel or None,
        "region": factor.region,
        "value": factor.shown,
        "unit": UNITS[factor.kind],
        "parameters": dict(factor.parameters),
        "first_day": factor.first_day.isoformat(),
        "last_day": None if factor.last_day is None else factor.last_day.isoformat(),
        "accounting_year": factor.accounting_year,
        "data_year": factor.data_year,
        "published": None if factor.published is None else factor.published.isoformat(),
        "notice_no": factor.notice_no,
        "source": factor.source,
        "url": factor.url,
        "confidence": factor.confidence,
    }
