"""What residents may ask for: their data, to be forgotten, and who read it."""

import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import consents
from accounts.agreement_errors import AccountClosed
from accounts.errors import HolderNotFound
from accounts.ids import parse_public_id, public_id
from app.api import idempotency, my
from app.api.access import ServicesDep
from app.api.http import json_response, operation
from app.auth import scopes, signatures
from app.auth.principal import Principal
from app.database import driver_of
from app.my_data import access, erasure, exports
from app.my_data.errors import ErasureNotFound, ExportNotFound
from app.my_data.schemas import (
    AccessList,
    CancelledAnswer,
    ErasureView,
    ExportList,
    ExportView,
    access_view,
)
from app.wiring import Services

router = APIRouter(prefix="/v1/me", tags=["my data"])
LINK_LIVES = datetime.timedelta(minutes=10)
ExportId = Annotated[str, Path(description="`exp_…`", examples=["exp_01a1fc693a86700e9ae525ac545ac6cd"])]


@router.post(
    "/exports",
    response_model=ExportView,
    summary="Ask for all my data",
    **operation(scopes.ME_WRITE, errors=(AccountClosed, "request.idempotency_conflict")),
)
async def ask_for_export(request: Request, principal: my.Writer, services: ServicesDep) -> Response:
    """A zip with JSON and CSV, built by a job. Where one waits or is ready, it is that one."""
    return await ask_export(request, principal, services)


async def ask_export(request: Request, principal: Principal, services: Services) -> Response:
    """Ask for an export of the holder that the token speaks for."""
    holder = my.own(principal)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await consents.lock_active(driver, holder)
        export_id = await exports.request(driver, holder, services.intake.clock())
        return _export(await exports.find(driver, holder, export_id))

    return await idempotency.write(request, principal, services, b"", act)


@router.get(
    "/exports",
    response_model=ExportList,
    summary="My exports, the newest first",
    **operation(scopes.ME_READ, errors=(HolderNotFound, "request.invalid")),
)
async def my_exports(
    principal: my.Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """How far each has come."""
    return await list_exports(principal, services, limit, cursor)


async def list_exports(principal: Principal, services: Services, limit: int, cursor: str | None) -> Response:
    """Exports of that holder."""
    before = my.place("exp", cursor)
    async with services.database.reading() as session:
        rows = await exports.page(await driver_of(session), my.own(principal), before, limit + 1)
    return my.listed(rows, limit, _export, my.by_id("exp"))


@router.get(
    "/exports/{export_id}",
    response_model=ExportView,
    summary="How far an export has come, and where to fetch it",
    **operation(scopes.ME_READ, errors=(ExportNotFound,)),
)
async def my_export(export_id: ExportId, principal: my.Reader, services: ServicesDep) -> Response:
    """Once it is ready, each answer has a fresh link."""
    return await one_export(export_id, principal, services)


async def one_export(export_id: str, principal: Principal, services: Services) -> Response:
    """One of them, with a link once it is ready."""
    holder, wanted = my.own(principal), my.id_of("exp", export_id, ExportNotFound)
    async with services.database.reading() as session:
        row = await exports.find(await driver_of(session), holder, wanted)
    if row is None:
        raise ExportNotFound
    return json_response(_export(row, _link(services, row)), headers={"Cache-Control": "no-store"})


@router.get("/exports/{export_id}/file", include_in_schema=False)
async def fetch_export(
    export_id: ExportId, services: ServicesDep, token: Annotated[str, Query(max_length=4096)] = ""
) -> Response:
    """The zip, to whoever has the link while it lives; each fetch is in the person's access log."""
    now = services.intake.clock()
    claims = signatures.read(services.tokens.keys, signatures.EXPORT, token, now)
    holder = None if claims is None else parse_public_id("hld", str(claims.get("sub")))
    wanted = my.id_of("exp", export_id, ExportNotFound)
    if claims is None or holder is None or claims["jti"] != export_id:
        raise ExportNotFound
    async with services.database.transaction() as session:
        row = await exports.find(await driver_of(session), holder, wanted)
        if row is None or row["state"] != "ready" or row["expires_at"] <= now:
            raise ExportNotFound
        await access.record(session, None, "export", [(holder, export_id)], now)
    return StreamingResponse(
        exports.parts(services, wanted, row["attempt"]),
        media_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{exports.name_of(wanted)}"',
            "Content-Length": str(row["size_bytes"]),
            "Cache-Control": "no-store",
        },
    )


@router.get(
    "/erasure",
    response_model=ErasureView,
    summary="My wish to be forgotten, while it waits",
    **operation(scopes.ME_READ, errors=(ErasureNotFound,)),
)
async def my_erasure(principal: my.Reader, services: ServicesDep) -> Response:
    """When it is due, and what that means."""
    async with services.database.reading() as session:
        row = await erasure.open_wish(await driver_of(session), my.own(principal))
    if row is None:
        raise ErasureNotFound
    return json_response(_erasure(row))


@router.post(
    "/erasure",
    response_model=ErasureView,
    summary="Ask to be forgotten",
    **operation(scopes.ME_WRITE, errors=(AccountClosed, "request.idempotency_conflict")),
)
async def ask_for_erasure(request: Request, principal: my.Writer, services: ServicesDep) -> Response:
    """Carried out when it is due; until then it can be cancelled and the account works as before."""
    holder = my.own(principal)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await consents.lock_active(driver, holder)
        wait = datetime.timedelta(days=services.settings.erasure_wait_days)
        return _erasure(await erasure.request(driver, holder, services.intake.clock(), wait))

    return await idempotency.write(request, principal, services, b"", act)


@router.post(
    "/erasure/cancellation",
    response_model=CancelledAnswer,
    summary="Take back my wish to be forgotten",
    **operation(scopes.ME_WRITE, errors=(ErasureNotFound, AccountClosed, "request.idempotency_conflict")),
)
async def cancel_erasure(request: Request, principal: my.Writer, services: ServicesDep) -> Response:
    """While it is not carried out. Nothing has changed meanwhile."""
    holder = my.own(principal)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await consents.lock_active(driver, holder)
        await erasure.cancel(driver, holder, services.intake.clock())
        return {"cancelled": True}

    return await idempotency.write(request, principal, services, b"", act)


@router.get(
    "/access-log",
    response_model=AccessList,
    summary="Who read my data, the newest first",
    **operation(scopes.ME_READ, errors=(HolderNotFound, "request.invalid")),
)
async def my_access_log(
    principal: my.Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Reads by operators, tokens that they issued for my account, and fetches of my exports."""
    before = my.place("acc", cursor)
    async with services.database.reading() as session:
        rows = await access.page(session, my.own(principal), before, limit + 1)
    return my.listed(rows, limit, access_view, lambda row: public_id("acc", row.id))


def _link(services: Services, row: Any) -> str | None:
    now = services.intake.clock()
    if row["state"] != "ready" or row["expires_at"] <= now:
        return None
    name = public_id("exp", row["id"])
    until = min(now + LINK_LIVES, row["expires_at"])
    claims = {"jti": name, "sub": public_id("hld", row["holder_id"]), "exp": int(until.timestamp())}
    token = signatures.sign(services.tokens.keys, signatures.EXPORT, claims, now)
    return f"/v1/me/exports/{name}/file?token={quote(token)}"


def _export(row: Any, link: str | None = None) -> dict[str, Any]:
    return ExportView(
        export_id=public_id("exp", row["id"]),
        state=row["state"],
        progress_percent=row["progress_percent"],
        requested_at=row["requested_at"].isoformat(),
        ready_at=my.told(row["ready_at"]),
        expires_at=my.told(row["expires_at"]),
        size_bytes=row["size_bytes"] if row["ready_at"] is not None else None,
        link=link,
    ).model_dump()


def _erasure(row: Any) -> dict[str, Any]:
    return ErasureView(
        erasure_id=public_id("ers", row["id"]),
        requested_at=row["requested_at"].isoformat(),
        due_at=row["due_at"].isoformat(),
        notice=erasure.NOTICE,
    ).model_dump()
