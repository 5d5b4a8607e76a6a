"""A resident's footprints and offsets, and the certificates that anybody may check."""

import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import jwt
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter

from accounts import queries
from accounts.errors import Fault, HolderNotFound
from accounts.ids import parse_public_id, public_id, uuid7
from accounts.offsetting import repository
from accounts.offsetting.errors import (
    AccountNotActive,
    CertificateNotFound,
    FootprintNotFound,
    FootprintOffset,
    NoFactor,
    NotEnoughGrams,
)
from accounts.offsetting.factors import compute, items
from accounts.offsetting.models import Footprint, Offset
from accounts.offsetting.purposes import purposes
from accounts.offsetting.schemas import (
    Certificate,
    FootprintInput,
    FootprintList,
    FootprintView,
    ItemList,
    ItemView,
    OffsetInput,
    OffsetList,
    OffsetView,
)
from accounts.offsetting.service import offset
from accounts.quantities import grams
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import JSON, cursor_of, json_response, media_type, operation, parse, read_body
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.problems import RequestError
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.wiring import Services

router = APIRouter(tags=["me"])
Reading = Annotated[Principal, Depends(caller(scopes.ME_READ))]
Writing = Annotated[Principal, Depends(caller(scopes.ME_WRITE))]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
MAX_BYTES = 16 * 1024
_FOOTPRINT: TypeAdapter[FootprintInput] = TypeAdapter(FootprintInput)
_OFFSET: TypeAdapter[OffsetInput] = TypeAdapter(OffsetInput)
REPEATED = ("request.idempotency_conflict", "storage.unavailable")


def own(principal: Principal) -> UUID:
    """The holder that a resident's token speaks for."""
    if principal.holder_id is None:
        raise HolderNotFound
    return principal.holder_id


@router.get(
    "/v1/me/footprints/items",
    response_model=ItemList,
    summary="What can be entered into a footprint",
    **operation(scopes.ME_READ),
)
async def list_items(principal: Reading) -> Response:  # noqa: ARG001 - it signs in
    """Items and their units; where the facts have no factor, why."""
    found = [
        ItemView(item=item.id, title=item.title, units=list(item.units), missing=item.missing)
        for item in items().values()
    ]
    return json_response(ItemList(items=found).model_dump())


@router.post(
    "/v1/me/footprints",
    response_model=FootprintView,
    summary="Enter what I used in a month",
    **operation(
        scopes.ME_WRITE,
        body=FootprintInput,
        examples=[{"month": "2026-10", "items": [{"item": "electricity", "quantity": 120, "unit": "kWh"}]}],
        errors=(NoFactor, HolderNotFound, *REPEATED),
    ),
)
async def enter_footprint(request: Request, principal: Writing, services: ServicesDep) -> Response:
    """Computed at once by the factors of the month and the own region, each shown with its source, and kept."""
    holder_id = own(principal)
    raw, body = await read_json_raw(request, _FOOTPRINT)
    now = services.intake.clock()
    month = datetime.date.fromisoformat(body.month + "-01")
    if month > now.astimezone(LOCAL).date():
        raise RequestError("request.invalid", Fault("/month", "has not begun", "尚未开始"))

    async def act(session: "AsyncSession") -> Any:
        found = await queries.find_holder(session, holder_id)
        if found is None:
            raise HolderNotFound
        region = found[0].region
        lines = compute([(used.item, used.quantity, used.unit) for used in body.items], region, month)
        made = Footprint(
            holder_id=holder_id,
            id=uuid7(now),
            month=month,
            region=region,
            co2e_mg=sum(line.co2e_mg for line in lines),
            lines=[line.model_dump() for line in lines],
            created_at=now,
        )
        session.add(made)
        await session.flush()
        return footprint_view(made, None).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/me/footprints",
    response_model=FootprintList,
    summary="My footprints, the newest first",
    **operation(scopes.ME_READ, errors=("request.invalid",)),
)
async def list_footprints(
    principal: Reading, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Each with its lines, factors and sources."""
    holder_id = own(principal)
    before = cursor_of("fpt", cursor)
    async with services.database.reading() as session:
        rows = await repository.page_of_footprints(session, holder_id, before, limit + 1)
        offsets = await repository.offsets_of(session, holder_id, [row.id for row in rows[:limit]])
    shown = [footprint_view(row, offsets.get(row.id)) for row in rows[:limit]]
    following = shown[-1].footprint_id if len(rows) > limit else None
    return json_response(FootprintList(items=shown, next_cursor=following).model_dump(mode="json"))


@router.post(
    "/v1/me/offsets",
    response_model=OffsetView,
    summary="Use open grams once",
    **operation(
        scopes.ME_WRITE,
        body=OffsetInput,
        examples=[{"co2e_g": "1500", "purpose": "own_footprint"}],
        errors=(NotEnoughGrams, FootprintNotFound, FootprintOffset, AccountNotActive, *REPEATED),
    ),
)
async def make_offset(request: Request, principal: Writing, services: ServicesDep) -> Response:
    """The oldest vintage first, never more than is open; answers the certificate's number."""
    holder_id = own(principal)
    raw, body = await read_json_raw(request, _OFFSET)
    wanted: int | UUID
    if body.co2e_g is not None:
        whole, _, rest = body.co2e_g.partition(".")
        wanted = int(whole) * 1000 + int(rest.ljust(3, "0") or 0)
    else:
        found = parse_public_id("fpt", body.footprint_id or "")
        if found is None:
            raise FootprintNotFound
        wanted = found

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        now = services.intake.clock()
        return offset_view(await offset(session, driver, holder_id, wanted, body.purpose, now)).model_dump(
            mode="json"
        )

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/me/offsets",
    response_model=OffsetList,
    summary="My offsets, the newest first",
    **operation(scopes.ME_READ, errors=("request.invalid",)),
)
async def list_offsets(
    principal: Reading, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Each with the number of its certificate."""
    before = cursor_of("off", cursor)
    async with services.database.reading() as session:
        rows = await repository.page_of_offsets(session, own(principal), before, limit + 1)
    shown = [offset_view(row) for row in rows[:limit]]
    following = shown[-1].offset_id if len(rows) > limit else None
    return json_response(OffsetList(items=shown, next_cursor=following).model_dump(mode="json"))


@router.get(
    "/v1/certificates/{certificate_id}",
    tags=["certificates"],
    response_model=Certificate,
    summary="Check a certificate of an offset",
    **operation(errors=(CertificateNotFound,)),
)
async def read_certificate(
    certificate_id: Annotated[str, Path(max_length=40, examples=["crt_" + "0" * 32])], services: ServicesDep
) -> Response:
    """Amount, purpose and day, signed; nothing of whose it is."""
    offset_id = parse_public_id("crt", certificate_id)
    if offset_id is None:
        raise CertificateNotFound
    async with services.database.reading() as session:
        found = await repository.find_offset(session, offset_id)
    if found is None:
        raise CertificateNotFound
    told = {
        "certificate_id": certificate_id,
        "status": "valid",
        "co2e_g": grams(found.amount_mg),
        "purpose": purposes()[found.purpose].model_dump(),
        "day": found.booked_at.astimezone(LOCAL).date().isoformat(),
    }
    return json_response(told | {"signature": _signed(services, told)})


def _signed(services: "Services", told: dict[str, Any]) -> str:
    """A JWS that is no access token: another type, and without audience, subject and end."""
    now = services.intake.clock()
    key = services.tokens.keys.signing(now)
    return jwt.encode(
        told, key.private, algorithm="EdDSA", headers={"kid": key.kid, "typ": "certificate+jws"}
    )


async def read_json_raw(request: Request, adapter: "TypeAdapter[Any]") -> tuple[bytes, Any]:
    """A JSON body as it came, which an Idempotency-Key compares, and as what it says."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    raw = await read_body(request, MAX_BYTES)
    return raw, parse(adapter, raw)


def footprint_view(footprint: Footprint, used: Offset | None) -> FootprintView:
    """A footprint as its holder sees it."""
    return FootprintView.model_validate(
        {
            "footprint_id": public_id("fpt", footprint.id),
            "month": f"{footprint.month:%Y-%m}",
            "region": footprint.region,
            "co2e_g": grams(footprint.co2e_mg),
            "offset_id": None if used is None else public_id("off", used.id),
            "lines": [{**line, "co2e_g": grams(line["co2e_mg"])} for line in footprint.lines],
            "created_at": footprint.created_at,
        }
    )


def offset_view(made: Offset) -> OffsetView:
    """An offset as its holder sees it; the certificate has its number."""
    return OffsetView(
        offset_id=public_id("off", made.id),
        certificate_id=public_id("crt", made.id),
        footprint_id=None if made.footprint_id is None else public_id("fpt", made.footprint_id),
        purpose=made.purpose,
        co2e_g=grams(made.amount_mg),
        booked_at=made.booked_at,
    )
