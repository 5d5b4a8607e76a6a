"""The doors of enterprises to what their label would be, and what would change it."""

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from accounts.enterprises.errors import EnterpriseNotFound
from accounts.ids import public_id
from accounts.labels import errors
from accounts.labels.measures import UNITS, Measure
from accounts.labels.reasons import reasons_of, views_of
from accounts.labels.scoring import Colour
from accounts.quantities import grams
from app.api import my
from app.api.access import ServicesDep, caller
from app.api.http import json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.labels import preview
from app.labels.emissions import emitted_at
from app.labels.schemas import FigureChange, Improvement, LabelPreview, points_view, reasons_view

if TYPE_CHECKING:
    from accounts.labels.improvement import Change
    from app.wiring import Services

router = APIRouter(prefix="/v1/enterprises/label", tags=["enterprise labels"])
Reader = Annotated[Principal, Depends(caller(scopes.LABEL_READ))]
OfYear = Annotated[
    int | None, Query(ge=2000, le=2199, description="A year that is over; last year without it")
]
PREVIEW_ERRORS = (EnterpriseNotFound, errors.NoScale, errors.YearNotOver, "request.invalid")


async def _preview(principal: Principal, services: "Services", year: int | None) -> preview.Preview:
    now = services.intake.clock()
    async with services.database.reading() as session:
        return await preview.preview(
            await driver_of(session), services.live.labels, my.own(principal), year, emitted_at(now), now
        )


@router.get(
    "/preview",
    response_model=LabelPreview,
    summary="What the label would be by what is known now",
    **operation(scopes.LABEL_READ, errors=PREVIEW_ERRORS),
)
async def preview_label(principal: Reader, services: ServicesDep, year: OfYear = None) -> Response:
    """By the rules of today, present figures and readings. It is no label: nothing is stored."""
    shown = await _preview(principal, services, year)
    mg = shown.facts.emissions_mg
    points = shown.found.points
    view = LabelPreview(
        year=shown.facts.year,
        colour=shown.found.colour,
        points=None if points is None else points_view(str(points)),
        views=views_of(shown.found),
        reasons=reasons_view(reasons_of(shown.found, shown.scale)),
        rules_id=public_id("ppt", shown.rules.id),
        emissions_co2e_g=None if mg is None else grams(mg),
        figures=dict(shown.facts.figures),
        as_of=services.intake.clock(),
    )
    return json_response(view.model_dump(mode="json"))


@router.get(
    "/improvement",
    response_model=Improvement,
    summary="What would make it light green, or another colour",
    **operation(scopes.LABEL_READ, errors=PREVIEW_ERRORS),
)
async def improve_label(
    principal: Reader,
    services: ServicesDep,
    year: OfYear = None,
    colour: Annotated[Literal["yellow", "light_green", "dark_green"], Query()] = "light_green",
) -> Response:
    """The least change of each single figure, the others as they are; computed exactly."""
    shown = await _preview(principal, services, year)
    wanted = Colour(colour)
    found = preview.changes(shown, wanted)
    labelled = shown.found.points is not None
    view = Improvement(
        year=shown.facts.year,
        colour=wanted,
        present=shown.found.colour,
        reached=labelled and not found,
        changes=[_change(each, shown) for each in found],
        reasons=[] if labelled else reasons_view(reasons_of(shown.found, shown.scale)),
    )
    return json_response(view.model_dump(mode="json"))


def _change(each: "Change", shown: preview.Preview) -> FigureChange:
    measure = each.figure.partition(":")[0]
    if each.figure == "emissions":
        unit = "mg_co2e"
    elif measure == Measure.OUTPUT:
        unit = shown.scale.products[0].unit.value
    else:
        unit = next(iter(UNITS[Measure(measure)])).value
    change = None if each.target is None else each.target - each.present
    return FigureChange(
        figure=each.figure, unit=unit, present=each.present, target=each.target, change=change
    )
