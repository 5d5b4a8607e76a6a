"""The doors of an enterprise to itself: what it is, its sites, lines and meters."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.enterprises import repository, service
from accounts.enterprises.carriers import Carrier
from accounts.enterprises.errors import (
    EnterpriseEditedMeanwhile,
    EnterpriseIfMatchMissing,
    EnterpriseNotFound,
    LineNotFound,
    MeterNotFound,
    MeterNumberTaken,
    MeterRemoved,
    SiteNotFound,
    TooManyParts,
)
from accounts.enterprises.schemas import (
    EnterpriseView,
    LineCreation,
    LineInput,
    LineList,
    LineView,
    MeterCreation,
    MeterInput,
    MeterList,
    MeterRemoval,
    MeterView,
    SiteInput,
    SiteList,
    SiteView,
)
from accounts.errors import NotFound
from accounts.ids import parse_public_id, public_id
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import read_json_raw
from app.api.http import address_of, cursor_of, json_response, operation, stated_version
from app.api.operator_enterprises import enterprise_view
from app.auth import audit, scopes
from app.auth.principal import Principal
from app.database import driver_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    from app.wiring import Services

Driver: TypeAlias = "asyncpg.Connection"
router = APIRouter(prefix="/v1/enterprises", tags=["enterprises"])
Reader = Annotated[Principal, Depends(caller(scopes.STRUCTURE_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.STRUCTURE_WRITE))]
SiteId = Annotated[str, Path(description="`sit_…`", examples=["sit_" + "0" * 32], max_length=40)]
LineId = Annotated[str, Path(description="`lin_…`", examples=["lin_" + "0" * 32], max_length=40)]
MeterId = Annotated[str, Path(description="`mtr_…`", examples=["mtr_" + "0" * 32], max_length=40)]
OfSite = Annotated[str | None, Query(alias="site_id", max_length=40, description="Of one site only")]
OfLine = Annotated[str | None, Query(alias="line_id", max_length=40, description="Of one line only")]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="`version` that the write was made from")
]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
REPEATED = ("request.idempotency_conflict",)
EDITED = (EnterpriseIfMatchMissing, EnterpriseEditedMeanwhile, *REPEATED)
_SITE: TypeAdapter[SiteInput] = TypeAdapter(SiteInput)
_LINE: TypeAdapter[LineInput] = TypeAdapter(LineInput)
_NEW_LINE: TypeAdapter[LineCreation] = TypeAdapter(LineCreation)
_METER: TypeAdapter[MeterInput] = TypeAdapter(MeterInput)
_NEW_METER: TypeAdapter[MeterCreation] = TypeAdapter(MeterCreation)
_REMOVAL: TypeAdapter[MeterRemoval] = TypeAdapter(MeterRemoval)
_ANY_SITE = "sit_" + "0" * 32
Written: TypeAlias = "tuple[UUID, repository.Row | None]"
Step: TypeAlias = "Callable[[Driver], Awaitable[Written]]"
Find: TypeAlias = "Callable[[Driver, UUID, UUID], Awaitable[repository.Row | None]]"


def own_enterprise(principal: Principal) -> UUID:
    """The enterprise that a token speaks for."""
    if principal.holder_id is None:
        raise EnterpriseNotFound
    return principal.holder_id


def id_in_path(prefix: str, text: str, missing: type[NotFound]) -> UUID:
    """The id of a path; not found where it is none."""
    found = parse_public_id(prefix, text)
    if found is None:
        raise missing
    return found


def site_view(row: repository.Row) -> dict[str, Any]:
    """A site as it is shown."""
    return SiteView(site_id=public_id("sit", row["id"]), **_rest(row)).model_dump(mode="json")


def line_view(row: repository.Row) -> dict[str, Any]:
    """A line as it is shown."""
    ids = {"line_id": public_id("lin", row["id"]), "site_id": public_id("sit", row["site_id"])}
    return LineView(**_rest(row) | ids).model_dump(mode="json")


def meter_view(row: repository.Row) -> dict[str, Any]:
    """A meter as it is shown."""
    told = {
        "meter_id": public_id("mtr", row["id"]),
        "site_id": public_id("sit", row["site_id"]),
        "line_id": None if row["line_id"] is None else public_id("lin", row["line_id"]),
        "unit_field": Carrier(row["carrier"]).field,
    }
    return MeterView(**_rest(row) | told).model_dump(mode="json")


def _rest(row: repository.Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


@router.get(
    "/profile",
    response_model=EnterpriseView,
    summary="What my enterprise is",
    **operation(scopes.STRUCTURE_READ, errors=(EnterpriseNotFound,)),
)
async def read_profile(principal: Reader, services: ServicesDep) -> Response:
    """Name, domain, industry and region as its operator entered them."""
    async with services.database.snapshot() as driver:
        found = await repository.find_enterprise(driver, own_enterprise(principal))
    if found is None:
        raise EnterpriseNotFound
    return json_response(enterprise_view(found))


@router.post(
    "/sites",
    response_model=SiteView,
    summary="Enter a site",
    **operation(
        scopes.STRUCTURE_WRITE,
        body=SiteInput,
        examples=[{"name": "一厂区", "region": "330800"}],
        errors=(EnterpriseNotFound, TooManyParts, *REPEATED),
    ),
)
async def add_site(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Its region says which grid supplies it."""
    raw, body = await read_json_raw(request, _SITE)
    holder_id, now = own_enterprise(principal), services.intake.clock()

    async def step(driver: Driver) -> Written:
        return await service.add_site(driver, holder_id, body, now), None

    return await _write(request, principal, services, raw, _SITES, step)


@router.get(
    "/sites",
    response_model=SiteList,
    summary="My sites, the first entered first",
    **operation(scopes.STRUCTURE_READ, errors=("request.invalid",)),
)
async def list_sites(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Where the enterprise uses energy."""
    after = cursor_of("sit", cursor)
    async with services.database.snapshot() as driver:
        rows = await repository.page_of_sites(driver, own_enterprise(principal), after, limit + 1)
    return _page([site_view(row) for row in rows], "site_id", limit)


@router.get(
    "/sites/{site_id}",
    response_model=SiteView,
    summary="A site of mine",
    **operation(scopes.STRUCTURE_READ, errors=(SiteNotFound,)),
)
async def read_site(site_id: SiteId, principal: Reader, services: ServicesDep) -> Response:
    """A site with the version that an edit names."""
    return await _read(principal, services, _SITES, id_in_path("sit", site_id, SiteNotFound))


@router.put(
    "/sites/{site_id}",
    response_model=SiteView,
    summary="Edit a site",
    **operation(
        scopes.STRUCTURE_WRITE,
        body=SiteInput,
        examples=[{"name": "东厂区", "region": "330800"}],
        errors=(SiteNotFound, *EDITED),
    ),
)
async def edit_site(
    site_id: SiteId, request: Request, principal: Writer, services: ServicesDep, if_match: IfMatch = None
) -> Response:
    """Its name and region, of the version that was read."""
    raw, body = await read_json_raw(request, _SITE)
    version = stated_version(if_match, EnterpriseIfMatchMissing)
    holder_id, wanted = own_enterprise(principal), id_in_path("sit", site_id, SiteNotFound)

    async def step(driver: Driver) -> Written:
        return wanted, await service.change_site(driver, holder_id, wanted, version, body)

    return await _write(request, principal, services, raw, _SITES, step)


@router.post(
    "/lines",
    response_model=LineView,
    summary="Enter a line",
    **operation(
        scopes.STRUCTURE_WRITE,
        body=LineCreation,
        examples=[{"site_id": _ANY_SITE, "name": "1号轧线"}],
        errors=(EnterpriseNotFound, SiteNotFound, TooManyParts, *REPEATED),
    ),
)
async def add_line(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """What can be switched off at a site, or has an output of its own."""
    raw, body = await read_json_raw(request, _NEW_LINE)
    holder_id, now = own_enterprise(principal), services.intake.clock()

    async def step(driver: Driver) -> Written:
        return await service.add_line(driver, holder_id, body, now), None

    return await _write(request, principal, services, raw, _LINES, step)


@router.get(
    "/lines",
    response_model=LineList,
    summary="My lines, the first entered first",
    **operation(scopes.STRUCTURE_READ, errors=("request.invalid", SiteNotFound)),
)
async def list_lines(
    principal: Reader,
    services: ServicesDep,
    site: OfSite = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Of all sites, or of one."""
    after = cursor_of("lin", cursor)
    site_id = None if site is None else id_in_path("sit", site, SiteNotFound)
    async with services.database.snapshot() as driver:
        rows = await repository.page_of_lines(driver, own_enterprise(principal), site_id, after, limit + 1)
    return _page([line_view(row) for row in rows], "line_id", limit)


@router.get(
    "/lines/{line_id}",
    response_model=LineView,
    summary="A line of mine",
    **operation(scopes.STRUCTURE_READ, errors=(LineNotFound,)),
)
async def read_line(line_id: LineId, principal: Reader, services: ServicesDep) -> Response:
    """A line with the version that an edit names."""
    return await _read(principal, services, _LINES, id_in_path("lin", line_id, LineNotFound))


@router.put(
    "/lines/{line_id}",
    response_model=LineView,
    summary="Edit a line",
    **operation(
        scopes.STRUCTURE_WRITE,
        body=LineInput,
        examples=[{"name": "2号轧线"}],
        errors=(LineNotFound, *EDITED),
    ),
)
async def edit_line(
    line_id: LineId, request: Request, principal: Writer, services: ServicesDep, if_match: IfMatch = None
) -> Response:
    """Its name, of the version that was read; at another site it is another line."""
    raw, body = await read_json_raw(request, _LINE)
    version = stated_version(if_match, EnterpriseIfMatchMissing)
    holder_id, wanted = own_enterprise(principal), id_in_path("lin", line_id, LineNotFound)

    async def step(driver: Driver) -> Written:
        return wanted, await service.change_line(driver, holder_id, wanted, version, body.name)

    return await _write(request, principal, services, raw, _LINES, step)


@router.post(
    "/meters",
    response_model=MeterView,
    summary="Enter a meter",
    **operation(
        scopes.STRUCTURE_WRITE,
        body=MeterCreation,
        examples=[
            {
                "site_id": _ANY_SITE,
                "number": "E-001",
                "carrier": "electricity",
                "flow": "import",
                "reading": "interval",
                "installed_at": "2026-01-01T00:00:00+08:00",
            }
        ],
        errors=(
            EnterpriseNotFound,
            SiteNotFound,
            LineNotFound,
            MeterNumberTaken,
            TooManyParts,
            *REPEATED,
        ),
    ),
)
async def add_meter(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Of a site, or of one of its lines. A meter that is exchanged is removed, and another one entered."""
    raw, body = await read_json_raw(request, _NEW_METER)
    holder_id, now = own_enterprise(principal), services.intake.clock()

    async def step(driver: Driver) -> Written:
        return await service.add_meter(driver, holder_id, body, now), None

    return await _write(request, principal, services, raw, _METERS, step)


@router.get(
    "/meters",
    response_model=MeterList,
    summary="My meters, the first entered first",
    **operation(scopes.STRUCTURE_READ, errors=("request.invalid", SiteNotFound, LineNotFound)),
)
async def list_meters(
    principal: Reader,
    services: ServicesDep,
    site: OfSite = None,
    line: OfLine = None,
    carrier: Annotated[Carrier | None, Query(description="Of one carrier only")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Removed ones too: what they measured still counts."""
    after = cursor_of("mtr", cursor)
    wanted = (
        None if site is None else id_in_path("sit", site, SiteNotFound),
        None if line is None else id_in_path("lin", line, LineNotFound),
        None if carrier is None else carrier.value,
    )
    async with services.database.snapshot() as driver:
        rows = await repository.page_of_meters(driver, own_enterprise(principal), wanted, after, limit + 1)
    return _page([meter_view(row) for row in rows], "meter_id", limit)


@router.get(
    "/meters/{meter_id}",
    response_model=MeterView,
    summary="A meter of mine",
    **operation(scopes.STRUCTURE_READ, errors=(MeterNotFound,)),
)
async def read_meter(meter_id: MeterId, principal: Reader, services: ServicesDep) -> Response:
    """A meter with the version that an edit names."""
    return await _read(principal, services, _METERS, id_in_path("mtr", meter_id, MeterNotFound))


@router.put(
    "/meters/{meter_id}",
    response_model=MeterView,
    summary="Edit a meter",
    **operation(
        scopes.STRUCTURE_WRITE,
        body=MeterInput,
        examples=[{"line_id": None, "counts": False}],
        errors=(MeterNotFound, LineNotFound, MeterRemoved, *EDITED),
    ),
)
async def edit_meter(
    meter_id: MeterId, request: Request, principal: Writer, services: ServicesDep, if_match: IfMatch = None
) -> Response:
    """Its line, whether it counts, and where its register begins anew."""
    raw, body = await read_json_raw(request, _METER)
    version = stated_version(if_match, EnterpriseIfMatchMissing)
    holder_id, wanted = own_enterprise(principal), id_in_path("mtr", meter_id, MeterNotFound)

    async def step(driver: Driver) -> Written:
        return wanted, await service.change_meter(driver, holder_id, wanted, version, body)

    return await _write(request, principal, services, raw, _METERS, step)


@router.post(
    "/meters/{meter_id}/removal",
    response_model=MeterView,
    summary="Say that a meter was taken away",
    **operation(
        scopes.STRUCTURE_WRITE,
        body=MeterRemoval,
        examples=[{"removed_at": "2026-11-01T00:00:00+08:00"}],
        errors=(MeterNotFound, MeterRemoved, *EDITED),
    ),
)
async def remove_meter(
    meter_id: MeterId, request: Request, principal: Writer, services: ServicesDep, if_match: IfMatch = None
) -> Response:
    """For good; what it measured until then stays."""
    raw, body = await read_json_raw(request, _REMOVAL)
    version = stated_version(if_match, EnterpriseIfMatchMissing)
    holder_id, wanted = own_enterprise(principal), id_in_path("mtr", meter_id, MeterNotFound)

    async def step(driver: Driver) -> Written:
        return wanted, await service.remove_meter(driver, holder_id, wanted, version, body.removed_at)

    return await _write(request, principal, services, raw, _METERS, step)


Kind: TypeAlias = "tuple[str, str, Find, Callable[[repository.Row], dict[str, Any]], type[NotFound]]"
_SITES: Kind = ("site", "sit", repository.find_site, site_view, SiteNotFound)
_LINES: Kind = ("line", "lin", repository.find_line, line_view, LineNotFound)
_METERS: Kind = ("meter", "mtr", repository.find_meter, meter_view, MeterNotFound)


async def _read(principal: Principal, services: "Services", kind: Kind, wanted: UUID) -> Response:
    _, _, find, view, missing = kind
    async with services.database.snapshot() as driver:
        found = await find(driver, own_enterprise(principal), wanted)
    if found is None:
        raise missing
    return json_response(view(found))


def _page(items: list[dict[str, Any]], key: str, limit: int) -> Response:
    """A page of items, of which one more than `limit` was asked for."""
    following = items[limit - 1][key] if len(items) > limit else None
    return json_response({"items": items[:limit], "next_cursor": following})


async def _write(
    request: Request, principal: Principal, services: "Services", raw: bytes, kind: Kind, step: Step
) -> Response:
    """Run a step on a part of the enterprise, write it to the audit trail, and answer the part as it is then."""
    name, prefix, find, view, missing = kind
    holder_id = own_enterprise(principal)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        changed, before = await step(driver)
        found = await find(driver, holder_id, changed)
        if found is None:
            raise missing
        shown = view(found)
        await audit.append(
            session,
            principal,
            services.intake.clock(),
            f"enterprise.{name}_" + ("added" if before is None else "changed"),
            (name, public_id(prefix, changed)),
            region=principal.region,
            address=address_of(request),
            before=None if before is None else view(before),
            after=shown,
        )
        return shown

    return await idempotency.write(request, principal, services, raw, act)
