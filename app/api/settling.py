"""What the doors of statements share: reading one, its lines and its files, and taking it a step further."""

import re
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Path, Request, Response
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import StreamingResponse

from accounts.errors import Fault
from accounts.ids import public_id
from app.api import idempotency
from app.api.http import address_of, cursor_of, json_response, stated_version
from app.api.redeeming import id_of
from app.auth.principal import Principal, prefix
from app.database import driver_of
from app.problems import RequestError, wants_english
from app.settling import office, statements
from app.wiring import Services
from points import settlement_errors as errors
from points import settlement_queries as queries
from points.settlement_models import Settlement
from points.settlement_schemas import line_view, settlement_detail, settlement_view
from points.settlement_states import State

if TYPE_CHECKING:
    from app.settling.office import Work

CSV, PDF = "text/csv", "application/pdf"
SettlementId = Annotated[str, Path(description="`stl_…`", examples=["stl_01a1fc693a86700e9ae525ac545ac6cd"])]
STEP = (
    errors.SettlementNotFound,
    errors.SettlementVersionMissing,
    errors.SettlementChangedMeanwhile,
    errors.SettlementWrongState,
    "request.idempotency_conflict",
)
_LINE = re.compile(r"[1-9][0-9]{0,9}")


def described(described: dict[str, Any], media: str) -> dict[str, Any]:
    """The description of an operation that answers with a file."""
    schema = {"type": "string"} if media == CSV else {"type": "string", "format": "binary"}
    described["responses"][200] = {"description": "The file", "content": {media: {"schema": schema}}}
    return described | {"response_class": Response}


async def listed(
    principal: Principal,
    services: Services,
    *,
    of_merchant: bool,
    merchant_id: UUID | None = None,
    state: str | None,
    cursor: str | None,
    limit: int,
) -> Response:
    """A page of statements: a merchant's own, or of an operator's region."""
    before = cursor_of("stl", cursor)
    async with services.database.reading() as session:
        rows = await queries.page(
            session,
            merchant_id=principal.organisation_id if of_merchant else merchant_id,
            region_prefix="" if of_merchant else prefix(principal.region),
            state=None if state is None else State(state),
            before=before,
            limit=limit + 1,
        )
    items = [settlement_view(row, to_operator=not of_merchant).model_dump() for row in rows[:limit]]
    following = items[-1]["settlement_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})


async def _seen(
    session: AsyncSession, principal: Principal, settlement_id: str, *, of_merchant: bool
) -> Settlement:
    known = id_of("stl", settlement_id, errors.SettlementNotFound)
    found = await queries.find(session, known)
    if found is None or not office.visible(principal, found, of_merchant=of_merchant):
        raise errors.SettlementNotFound
    return found


async def one(principal: Principal, services: Services, settlement_id: str, *, of_merchant: bool) -> Response:
    """A statement with what was said of it."""
    async with services.database.reading() as session:
        found = await _seen(session, principal, settlement_id, of_merchant=of_merchant)
        disputes = await queries.disputes(session, found.id)
        adjustments = await queries.adjustments(session, found.id)
    view = settlement_view(found, to_operator=not of_merchant)
    return json_response(settlement_detail(view, disputes, adjustments).model_dump())


async def lines(
    principal: Principal,
    services: Services,
    settlement_id: str,
    *,
    of_merchant: bool,
    cursor: str | None,
    limit: int,
) -> Response:
    """A page of lines; the cursor is the number of the last one."""
    if cursor is not None and (_LINE.fullmatch(cursor) is None or int(cursor) >= 1 << 31):
        raise RequestError("request.invalid", Fault("/cursor", "not a cursor of this list"))
    async with services.database.reading() as session:
        found = await _seen(session, principal, settlement_id, of_merchant=of_merchant)
        rows = await queries.page_of_lines(await driver_of(session), found.id, int(cursor or 0), limit + 1)
    following = str(rows[limit - 1].line) if len(rows) > limit else None
    return json_response({"items": [line_view(row) for row in rows[:limit]], "next_cursor": following})


async def csv_file(
    request: Request, principal: Principal, services: Services, settlement_id: str, *, of_merchant: bool
) -> Response:
    """The statement as CSV, streamed."""
    async with services.database.reading() as session:
        found = await _seen(session, principal, settlement_id, of_merchant=of_merchant)
    return StreamingResponse(
        statements.csv_of(services.database, found, english=wants_english(request.headers)),
        media_type=CSV + "; charset=utf-8",
        headers=_named(found, "csv"),
    )


async def pdf_file(
    principal: Principal, services: Services, settlement_id: str, *, of_merchant: bool
) -> Response:
    """The statement as PDF."""
    async with services.database.reading() as session:
        found = await _seen(session, principal, settlement_id, of_merchant=of_merchant)
    made = await statements.pdf_of(services, found, services.redemptions.clock())
    return Response(made, media_type=PDF, headers=_named(found, "pdf"))


def _named(settlement: Settlement, ending: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="settlement-{settlement.number}.{ending}"',
        "Cache-Control": "no-store",
    }


def actor_of(request: Request, principal: Principal, services: Services) -> office.Actor:
    """Who acts, when, from where."""
    return office.Actor(principal, services.redemptions.clock(), address_of(request))


async def step(
    request: Request,
    principal: Principal,
    services: Services,
    raw: bytes,
    settlement_id: str,
    if_match: str | None,
    action: str,
    reason: str,
    work: "Work",
    *,
    of_merchant: bool,
    with_account: bool = False,
) -> Response:
    """Take a statement a step further, once for its Idempotency-Key."""
    known = id_of("stl", settlement_id, errors.SettlementNotFound)
    version = stated_version(if_match, errors.SettlementVersionMissing)
    actor = actor_of(request, principal, services)

    async def act(session: AsyncSession) -> Any:
        taken = await office.take(
            session, actor, known, version, of_merchant=of_merchant, with_account=with_account
        )
        settlement = await office.step(session, actor, taken, action, reason, work)
        return settlement_view(settlement, to_operator=not of_merchant).model_dump()

    return await idempotency.write(request, principal, services, raw, act)


def merchant_of(text: str) -> UUID:
    """The merchant that a request names; what is no id is not there."""
    return id_of("org", text, errors.MerchantNotFound)


def public_merchant(merchant_id: UUID) -> str:
    """`org_…`."""
    return public_id("org", merchant_id)
