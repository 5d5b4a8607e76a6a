"""A resident's place in the city's ranks."""

import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from accounts.errors import HolderNotFound
from accounts.quantities import grams
from accounts.repository import regions_of
from accounts.standing.equivalents import Words
from app.api.access import ServicesDep, caller
from app.api.carbon import own
from app.api.http import json_response, operation, read_json
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.ranks import repository
from app.ranks.errors import RanksUnavailable
from app.ranks.names import pseudonym
from app.ranks.store import Place, Ranks, city_of

router = APIRouter(prefix="/v1/me", tags=["me"])
Reading = Annotated[Principal, Depends(caller(scopes.ME_READ))]
Writing = Annotated[Principal, Depends(caller(scopes.ME_WRITE))]
MAX_BYTES = 1024
SPARE = 20
"""Read beyond the wanted top, for those who have just chosen not to be seen."""


class RankChoiceInput(BaseModel):
    """Whether I want to be in public ranks."""

    model_config = ConfigDict(extra="forbid")

    shown: Annotated[bool, Field(strict=True)]


class RankChoiceView(BaseModel):
    """What counts from now on."""

    shown: bool


class PlaceView(BaseModel):
    """A place; who has the same grams has the same place."""

    rank: int
    name: Words = Field(description="A made-up name that stays the same")
    co2e_g: str
    me: bool


class RankView(BaseModel):
    """A city's rank of persons by grams booked in the period."""

    city: str
    period: str = Field(examples=["2026-11", "all_time"])
    as_of: datetime.datetime = Field(description="Bookings before this moment are in it")
    shown: bool = Field(description="Whether I am in it")
    participants: int
    own: PlaceView | None
    top: list[PlaceView]


_CHOICE: TypeAdapter[RankChoiceInput] = TypeAdapter(RankChoiceInput)


@router.get(
    "/rank",
    response_model=RankView,
    summary="My place in my city",
    **operation(scopes.ME_READ, errors=(RanksUnavailable, HolderNotFound, "request.invalid")),
)
async def my_rank(
    principal: Reading,
    services: ServicesDep,
    period: Literal["month", "all_time"] = "month",
    top: Annotated[int, Query(ge=0, le=100)] = 10,
) -> Response:
    """A few minutes behind the books. Children and who chose not to be seen are not in it."""
    holder_id = own(principal)
    key = services.settings.receipt_key.get_secret_value()
    month = repository.month_of(services.intake.clock())
    async with services.database.driver_transaction() as driver:
        region = (await regions_of(driver, [holder_id])).get(holder_id)
        if region is None:
            raise HolderNotFound
        ranks = Ranks(services.redis)
        places, place, number, as_of = await ranks.read(
            region, month if period == "month" else "", top + SPARE, holder_id
        )
        unseen = await repository.hidden(driver, [each.holder_id for each in places] + [holder_id])

    def shown(each: Place) -> PlaceView:
        zh, en = pseudonym(key, each.holder_id)
        return PlaceView(
            rank=each.rank, name=Words(zh=zh, en=en), co2e_g=grams(each.mg), me=each.holder_id == holder_id
        )

    seen = [each for each in places if each.holder_id not in unseen][:top]
    found = RankView(
        city=city_of(region),
        period=month if period == "month" else period,
        as_of=as_of,
        shown=holder_id not in unseen,
        participants=number,
        own=None if place is None or holder_id in unseen else shown(place),
        top=[shown(each) for each in seen],
    )
    return json_response(found.model_dump(mode="json"))


@router.put(
    "/rank",
    response_model=RankChoiceView,
    summary="Choose whether I am in public ranks",
    **operation(scopes.ME_WRITE, body=RankChoiceInput, examples=[{"shown": False}], errors=(HolderNotFound,)),
)
async def choose_rank(request: Request, principal: Writing, services: ServicesDep) -> Response:
    """Leaving counts at once; coming back within minutes. Children are never in them, whatever they choose."""
    holder_id = own(principal)
    body = await read_json(request, _CHOICE, MAX_BYTES)
    now = services.intake.clock()
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        if not await regions_of(driver, [holder_id]):
            raise HolderNotFound
        await repository.choose(driver, holder_id, body.shown, now)
        unseen = await repository.hidden(driver, [holder_id])
    return json_response({"shown": holder_id not in unseen})
