"""The doors of operators for projects and their stock, and the public list."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter

from accounts.ids import public_id, uuid7
from accounts.projects import repository, service
from accounts.projects.errors import ProjectExists, ProjectNotFound, StockVerified, VerifyOwn
from accounts.projects.models import Project, ProjectStock
from accounts.projects.schemas import (
    DocumentInput,
    ForwardStockInput,
    ProjectInput,
    ProjectList,
    ProjectView,
    StockVerificationInput,
    StockView,
)
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, cursor_of, json_response, operation, parse
from app.api.redeeming import id_of, read_raw
from app.auth import audit, scopes
from app.auth.principal import Principal, covers
from app.database import driver_of

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Driver, Row
    from app.wiring import Services

router = APIRouter(tags=["projects"])
Writer = Annotated[Principal, Depends(caller(scopes.PROJECTS_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.PROJECTS_APPROVE))]
ProjectId = Annotated[str, Path(max_length=40, description="`prj_…`", examples=["prj_" + "0" * 32])]
StockId = Annotated[str, Path(max_length=40, description="`pst_…`", examples=["pst_" + "0" * 32])]
_DOCUMENT = {"title": "项目设计文件", "reference": "赣林碳备〔2026〕3号", "sha256": "ab" * 32}
_PROJECT = {
    "code": "ZXMZ",
    "owner_id": "org_01a1fc693a86700e9ae525ac545ac6cd",
    "region": "361000",
    "kind": "bamboo",
    "name_zh": "资溪毛竹林碳汇项目",
    "name_en": "Bamboo of Zixi",
    "unit_type": "FCER",
    "documents": [_DOCUMENT],
}
_INPUT: TypeAdapter[ProjectInput] = TypeAdapter(ProjectInput)
_STOCK: TypeAdapter[ForwardStockInput] = TypeAdapter(ForwardStockInput)
_VERIFICATION: TypeAdapter[StockVerificationInput] = TypeAdapter(StockVerificationInput)


@router.get(
    "/v1/public/projects",
    response_model=ProjectList,
    summary="Projects with their documents and stock, the latest first",
    **operation(errors=("request.invalid",)),
)
async def list_projects(services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None) -> Response:
    """Forward stock is only expected: it has no units, so nothing of it can be sold or retired."""
    before = cursor_of("prj", cursor)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows = await repository.page(driver, before, limit + 1)
        items = await _views(driver, rows[:limit])
    following = items[-1]["project_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.post(
    "/v1/operator/projects",
    response_model=ProjectView,
    summary="Register a project with its documents",
    **operation(
        scopes.PROJECTS_WRITE,
        body=ProjectInput,
        examples=[_PROJECT],
        errors=(ProjectNotFound, ProjectExists, "request.idempotency_conflict"),
    ),
)
async def register_project(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Of the operator's region, and of a market participant; its units will stand in the participant's account."""
    raw = await read_raw(request)
    body = parse(_INPUT, raw)

    async def act(session: "AsyncSession") -> Any:
        driver, now = await driver_of(session), services.intake.clock()
        if not covers(principal.region, body.region):
            raise ProjectNotFound
        made = Project(
            id=uuid7(now),
            owner_id=id_of("org", body.owner_id, ProjectNotFound),
            registered_at=now,
            **body.model_dump(exclude={"owner_id", "documents"}),
        )
        if not await repository.add_project(driver, made):
            raise ProjectExists
        for each in body.documents:
            await repository.add_document(
                driver, made.id, each.title, each.reference, bytes.fromhex(each.sha256), now
            )
        await _write_down(session, request, principal, services, "project.registered", "project", made.id)
        return await _view(driver, made.id)

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/v1/operator/projects/{project_id}/stocks",
    response_model=ProjectView,
    summary="Record what a project is expected to have in a year: forward stock",
    **operation(
        scopes.PROJECTS_WRITE,
        body=ForwardStockInput,
        examples=[{"vintage": 2026, "expected_kg": 5_000_000}],
        errors=(ProjectNotFound, ProjectExists, "request.idempotency_conflict"),
    ),
)
async def record_stock(
    project_id: ProjectId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """It has no units before another client has accepted its verification."""
    raw = await read_raw(request)
    body = parse(_STOCK, raw)

    async def act(session: "AsyncSession") -> Any:
        driver, now = await driver_of(session), services.intake.clock()
        row = await repository.project(driver, id_of("prj", project_id, ProjectNotFound))
        if row is None or not covers(principal.region, row["region"]):
            raise ProjectNotFound
        made = ProjectStock(
            id=uuid7(now),
            project_id=row["id"],
            vintage=body.vintage,
            expected_kg=body.expected_kg,
            recorded_by=principal.client_id,
            recorded_at=now,
        )
        if not await repository.add_stock(driver, made):
            raise ProjectExists
        await _write_down(session, request, principal, services, "project_stock.recorded", "stock", made.id)
        return await _view(driver, row["id"])

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/v1/operator/project-stocks/{stock_id}/verification",
    response_model=ProjectView,
    summary="Accept the verification of a stock, which issues its units",
    **operation(
        scopes.PROJECTS_APPROVE,
        body=StockVerificationInput,
        examples=[{"quantity_kg": 4_812_000, "document": _DOCUMENT | {"title": "核查报告"}}],
        errors=(ProjectNotFound, StockVerified, VerifyOwn, "request.idempotency_conflict"),
    ),
)
async def verify_stock(
    stock_id: StockId, request: Request, principal: Approver, services: ServicesDep
) -> Response:
    """By another client than the one that recorded it, once: as many units as the verification states."""
    raw = await read_raw(request)
    body = parse(_VERIFICATION, raw)

    async def act(session: "AsyncSession") -> Any:
        driver, now = await driver_of(session), services.intake.clock()
        known = id_of("pst", stock_id, ProjectNotFound)
        row = await repository.lock_stock(driver, known)
        if row is None or not covers(principal.region, row["region"]):
            raise ProjectNotFound
        await service.verify(driver, known, body.quantity_kg, body.document, principal.client_id, now)
        await _write_down(session, request, principal, services, "project_stock.verified", "stock", known)
        return await _view(driver, row["project_id"])

    return await idempotency.write(request, principal, services, raw, act)


async def _write_down(
    session: "AsyncSession",
    request: Request,
    principal: Principal,
    services: "Services",
    action: str,
    kind: str,
    target: UUID,
) -> None:
    prefix = "prj" if kind == "project" else "pst"
    await audit.append(
        session,
        principal,
        services.intake.clock(),
        action,
        (kind, public_id(prefix, target)),
        region=principal.region,
        address=address_of(request),
    )


async def _view(driver: "Driver", project_id: UUID) -> dict[str, Any]:
    row = await repository.project(driver, project_id)
    if row is None:
        raise ProjectNotFound
    return (await _views(driver, [row]))[0]


async def _views(driver: "Driver", rows: "list[Row]") -> list[dict[str, Any]]:
    ids = [row["id"] for row in rows]
    documents = await repository.documents_of(driver, ids)
    stocks = await repository.stocks_of(driver, ids)
    return [
        ProjectView(
            project_id=public_id("prj", row["id"]),
            **{name: row[name] for name in ("code", "region", "kind", "name_zh", "name_en", "unit_type")},
            documents=[
                DocumentInput(title=each["title"], reference=each["reference"], sha256=each["sha256"].hex())
                for each in documents
                if each["project_id"] == row["id"]
            ],
            stocks=[
                StockView(
                    stock_id=public_id("pst", each["id"]),
                    state="forward" if each["verified_kg"] is None else "verified",
                    **{name: each[name] for name in ("vintage", "expected_kg", "verified_kg", "verified_at")},
                )
                for each in stocks
                if each["project_id"] == row["id"]
            ],
        ).model_dump(mode="json")
        for row in rows
    ]
