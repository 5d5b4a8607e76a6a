"""An enterprise's doors to all that is kept about it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from accounts.agreement_errors import AccountClosed
from app.api import my, my_data
from app.api.access import ServicesDep, caller
from app.api.http import operation
from app.auth import scopes
from app.auth.principal import Principal
from app.my_data.errors import ExportNotFound
from app.my_data.schemas import ExportList, ExportView

router = APIRouter(prefix="/v1/enterprises/exports", tags=["enterprises"])
Owner = Annotated[Principal, Depends(caller(scopes.ENTERPRISE_BANK_GRANTS))]


@router.post(
    "",
    response_model=ExportView,
    summary="Ask for all data of my enterprise",
    **operation(scopes.ENTERPRISE_BANK_GRANTS, errors=(AccountClosed, "request.idempotency_conflict")),
)
async def ask_for_enterprise_export(request: Request, principal: Owner, services: ServicesDep) -> Response:
    """As residents do; readings themselves are fetched by their own doors. For owners alone."""
    return await my_data.ask_export(request, principal, services)


@router.get(
    "",
    response_model=ExportList,
    summary="Exports of my enterprise, the newest first",
    **operation(scopes.ENTERPRISE_BANK_GRANTS, errors=("request.invalid",)),
)
async def enterprise_exports(
    principal: Owner, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """How far each has come."""
    return await my_data.list_exports(principal, services, limit, cursor)


@router.get(
    "/{export_id}",
    response_model=ExportView,
    summary="How far an export of my enterprise has come, and where to fetch it",
    **operation(scopes.ENTERPRISE_BANK_GRANTS, errors=(ExportNotFound,)),
)
async def enterprise_export(export_id: my_data.ExportId, principal: Owner, services: ServicesDep) -> Response:
    """Once it is ready, each answer has a fresh link."""
    return await my_data.one_export(export_id, principal, services)
