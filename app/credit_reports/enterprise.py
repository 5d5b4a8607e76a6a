"""The carbon credit report of an enterprise: energy, emissions, alerts and labels, beside what any holder's has."""

import datetime
from typing import TYPE_CHECKING, Any

from accounts.labels.queries import Colour, Label, label_history
from app.credit_reports import energy, repository, resident, sections
from app.labels.schemas import label_view

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from accounts.repository import Driver, Row
    from app.scoring.in_force import CardsInForce

HISTORY = 10
_NO_ENTERPRISE = {name: sections.absent("no_enterprise") for name in ("energy", "emissions", "alerts")}


async def build(
    driver: "Driver",
    cards: "CardsInForce",
    holder_id: "UUID",
    holder: "Row",
    as_of: datetime.date,
    now: datetime.datetime,
) -> dict[str, Any]:
    """All sections, each told or said not to be available."""
    first = sections.first_month(as_of)
    scenes = await repository.scenes(driver, holder_id, first, now)
    months = await repository.months(driver, holder_id, first, now)
    known = await repository.enterprise(driver, holder_id)
    return {
        "identity": sections.identity(holder) if known is None else _identity(holder, known),
        "label": _label(await label_history(driver, holder_id, HISTORY)),
        "score": await resident.scores(driver, cards, holder_id, holder["kind"], holder["region"], as_of),
        **(_NO_ENTERPRISE if known is None else await energy.build(driver, holder_id, as_of, now)),
        "reductions": sections.reductions(months, scenes, as_of),
        "holdings": sections.holdings(holder),
        "units": sections.absent("issuance_not_offered"),
        "disputes": sections.disputes(await repository.disputes(driver, holder_id)),
        "data_quality": sections.data_quality(scenes),
        "method": sections.method(scenes),
    }


def _identity(holder: "Row", known: "Row") -> sections.Section:
    return sections.identity(holder) | {
        "name": known["name"],
        "domain": known["domain"],
        "industry_code": known["industry_code"],
        "region": known["region"],
        "sites": known["sites"],
        "meters": known["meters"],
    }


def _label(history: "Sequence[Label]") -> sections.Section:
    if not history:
        return sections.absent("no_label")
    return {"available": True, "current": _one(history[0]), "history": [_one(each) for each in history]}


def _one(label: Label) -> dict[str, Any]:
    return label_view(label) | {"labelled": label.colour is not Colour.UNLABELLED}
