"""The audit trail as operators read and export it."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from accounts.errors import Fault
from accounts.fields import Moment, Region
from accounts.ids import public_id
from app.api.access import ServicesDep, caller
from app.api.http import NDJSON, cursor_of, json_response, operation
from app.auth import repository, scopes
from app.auth.models import AuditRecord
from app.auth.principal import Principal
from app.problems import RequestError

router = APIRouter(prefix="/v1/operator/audit", tags=["operator audit"])
CSV = "text/csv"
EXPORT_PAGE = 1_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Name = Annotated[str | None, Query(max_length=200)]


class AuditView(BaseModel):
    """Who did what, why, when, from where, and what changed."""

    id: str = Field(description="`aud_…`")
    at: str
    actor_client_id: str
    actor_name: str = Field(description="Name of the organisation at that time")
    action: str
    target_type: str
    target_id: str
    region: str
    reason: str
    address: str = Field(description="Network address that the request came from")
    before: Any = Field(description="What changed, as it was; null where nothing was")
    after: Any


class AuditList(BaseModel):
    """A page of the trail, the newest first."""

    items: list[AuditView]
    next_cursor: str | None


_OPERATION = operation(scopes.AUDIT_READ, errors=("request.invalid",))
_OPERATION["responses"][200] = {
    "content": {
        NDJSON: {"schema": {"type": "string", "description": "One record a line"}},
        CSV: {"schema": {"type": "string", "description": "A head and one record a line"}},
    }
}


@router.get(
    "", response_model=AuditList, summary="The audit trail of the region, the newest first", **_OPERATION
)
async def read_audit(
    principal: Annotated[Principal, Depends(caller(scopes.AUDIT_READ))],
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200, description="Of a page; an export has all")] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    region: Annotated[Region | None, Query(description="Exactly this region")] = None,
    action: Name = None,
    target_type: Name = None,
    target_id: Name = None,
    actor_client_id: Name = None,
    since: Moment | None = None,
    until: Moment | None = None,
    format: Annotated[  # noqa: A002 - the name of the parameter
        Literal["json", "ndjson", "csv"], Query(description="`ndjson` and `csv` export all that is asked for")
    ] = "json",
) -> Response:
    """Records are only ever appended. An operator reads those of its region and below."""
    before = cursor_of("aud", cursor)
    texts = {
        "action": action,
        "target_type": target_type,
        "target_id": target_id,
        "actor_client_id": actor_client_id,
    }
    for name, text in texts.items():
        if text is not None and not text.isprintable():
            raise RequestError("request.invalid", Fault(f"/{name}", "no such text is in the trail"))
    query = repository.AuditQuery(within=principal.region, region=region, since=since, until=until, **texts)
    if format != "json":
        lines = _lines if format == "ndjson" else _rows
        return StreamingResponse(
            lines(_pages(services, query, before)),
            media_type=NDJSON if format == "ndjson" else CSV,
            headers={"Content-Disposition": f'attachment; filename="audit.{format}"'},
        )
    async with services.database.reading() as session:
        records = await repository.page_of_audit(session, query, before, limit + 1)
    items = [_view(record).model_dump() for record in records[:limit]]
    more = len(records) > limit
    return json_response({"items": items, "next_cursor": items[-1]["id"] if more else None})


async def _pages(
    services: Any, query: repository.AuditQuery, before: UUID | None
) -> AsyncIterator[list[AuditRecord]]:
    """Page by page, each by a look-up of its own, so that neither memory nor a transaction grows with the trail."""
    while True:
        async with services.database.reading() as session:
            records = await repository.page_of_audit(session, query, before, EXPORT_PAGE)
        yield records
        if len(records) < EXPORT_PAGE:
            return
        before = records[-1].id


async def _lines(pages: AsyncIterator[list[AuditRecord]]) -> AsyncIterator[bytes]:
    async for records in pages:
        yield b"".join(orjson.dumps(_view(record).model_dump()) + b"\n" for record in records)


async def _rows(pages: AsyncIterator[list[AuditRecord]]) -> AsyncIterator[bytes]:
    names = list(AuditView.model_fields)
    yield (",".join(names) + "\r\n").encode()
    async for records in pages:
        file = io.StringIO()
        writer = csv.writer(file)
        for record in records:
            view = _view(record).model_dump()
            view["before"], view["after"] = record.before, record.after
            writer.writerow([_cell(view[name]) for name in names])
        yield file.getvalue().encode()


def _cell(value: str | None) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = value or ""
    return "'" + text if text.startswith(_FORMULA) else text


def _view(record: AuditRecord) -> AuditView:
    return AuditView(
        id=public_id("aud", record.id),
        at=record.at.isoformat(),
        actor_client_id=record.actor_client_id,
        actor_name=record.actor_name,
        action=record.action,
        target_type=record.target_type,
        target_id=record.target_id,
        region=record.region,
        reason=record.reason or record.detail,
        address=record.address,
        before=None if record.before is None else orjson.loads(record.before),
        after=None if record.after is None else orjson.loads(record.after),
    )
