"""What anybody may ask: methodologies, health, metrics."""

from typing import Annotated, Any

import asyncpg
import orjson
from fastapi import APIRouter, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from accounts.errors import Fault
from app.api.access import ServicesDep
from app.api.http import json_response, operation
from app.problems import RequestError
from methodologies.catalogue import OPERATOR_ORIGIN

router = APIRouter()


class MethodologySummary(BaseModel):
    """A methodology version in a few words."""

    region: str
    scene: str
    code: str
    version: str
    title: dict[str, str]
    in_force_from: str
    in_force_to: str | None
    status: str
    provisional: bool
    issuable: bool = Field(description="The text says so, and a second operator approved it here")
    points_only: bool
    demonstration_only: bool
    formula: str
    content_hash: str
    origin: str = Field(
        description="`built-in`, `operator`, or name and version of the installed package that ships it"
    )
    text: dict[str, Any] = Field(
        description="All of it, as `content_hash` fixes it (its canonical JSON; defaults are left out): authority, "
        "document, filing number, inputs, parameters and tables with value, unit, source and confidence, caps, "
        "claims, worked examples, notes"
    )


class PlaceholderView(BaseModel):
    """A methodology that is known of and whose values were not found; it never counts."""

    region: str
    scene: str
    code: str
    title: dict[str, str]
    document: dict[str, str]
    missing: dict[str, str]
    consult: str = Field(description="The document that has the values")


class MethodologyList(BaseModel):
    """A page of methodologies, by region, scene and date."""

    items: list[MethodologySummary]
    next_cursor: str | None


class PlaceholderList(BaseModel):
    """A page of placeholders, by region, scene and code."""

    items: list[PlaceholderView]
    next_cursor: str | None


class Health(BaseModel):
    """Whether the service works, part by part."""

    status: str
    database: str | None = None
    redis: str | None = None


@router.get(
    "/v1/methodologies",
    tags=["methodologies"],
    response_model=MethodologyList,
    summary="Methodologies that this deployment knows",
    **operation(errors=("request.invalid",)),
)
async def list_methodologies(
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    region: Annotated[
        str | None, Query(pattern=r"^[1-9][0-9]{5}$", description="Exactly this region")
    ] = None,
    scene: Annotated[str | None, Query(max_length=60)] = None,
) -> Response:
    """What counts where, and whether it may be issued."""
    catalogue = services.rules_now().catalogue
    found = sorted(
        (
            m
            for m in catalogue.methodologies
            if (region is None or m.region == region) and (scene is None or m.scene == scene)
        ),
        key=lambda m: (m.region, m.scene, m.in_force.first_day, m.content_hash),
    )
    start = 0
    if cursor is not None:
        places = [index for index, m in enumerate(found) if m.content_hash == cursor]
        if not places:
            raise RequestError("request.invalid", Fault("/cursor", "not a cursor of this list"))
        start = places[0] + 1
    page = found[start : start + limit]
    items = [
        MethodologySummary(
            region=m.region,
            scene=m.scene,
            code=m.code,
            version=m.version,
            title={"zh": m.title.zh, "en": m.title.en},
            in_force_from=m.in_force.first_day.isoformat(),
            in_force_to=last_day.isoformat() if (last_day := catalogue.period(m).last_day) else None,
            status=m.text.status,
            provisional=m.provisional,
            issuable=m.issuable and catalogue.origin(m) == OPERATOR_ORIGIN,
            points_only=m.points_only,
            demonstration_only=m.demonstration_only,
            formula=m.formula,
            content_hash=m.content_hash,
            origin=catalogue.origin(m),
            text=orjson.loads(m.content),
        ).model_dump()
        for m in page
    ]
    more = start + limit < len(found)
    return json_response({"items": items, "next_cursor": page[-1].content_hash if more else None})


@router.get(
    "/v1/methodologies/placeholders",
    tags=["methodologies"],
    response_model=PlaceholderList,
    summary="Methodologies that are known of, without their values",
    **operation(errors=("request.invalid",)),
)
async def list_placeholders(
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    region: Annotated[
        str | None, Query(pattern=r"^[1-9][0-9]{5}$", description="Exactly this region")
    ] = None,
    scene: Annotated[str | None, Query(max_length=60)] = None,
) -> Response:
    """What is missing, and which document has it. None of these ever counts."""
    found = sorted(
        (
            p
            for p in services.catalogue.placeholders
            if region in (None, p.region) and scene in (None, p.scene)
        ),
        key=lambda p: (p.region, p.scene, p.code),
    )
    names = [f"{p.region}.{p.code}" for p in found]
    if cursor is not None and cursor not in names:
        raise RequestError("request.invalid", Fault("/cursor", "not a cursor of this list"))
    start = 0 if cursor is None else names.index(cursor) + 1
    items = [
        PlaceholderView(
            **p.model_dump(exclude={"title", "document", "missing"}),
            title=p.title.model_dump(),
            document=p.document.model_dump(exclude_none=True),
            missing=p.missing.model_dump(),
        ).model_dump()
        for p in found[start : start + limit]
    ]
    more = start + limit < len(found)
    return json_response({"items": items, "next_cursor": names[start + limit - 1] if more else None})


@router.get("/healthz", tags=["service"], response_model=Health, summary="The process answers")
async def healthz() -> Response:
    """Alive; says nothing of what it depends on."""
    return json_response({"status": "ok", "database": None, "redis": None})


@router.get(
    "/readyz",
    tags=["service"],
    response_model=Health,
    summary="The service can credit",
    responses={503: {"model": Health, "description": "The database is away"}},
)
async def readyz(services: ServicesDep) -> Response:
    """503 while the database is away. Without Redis signed-in traffic goes on, so that is said and no more."""
    database = redis = "ok"
    try:
        async with services.database.driver_transaction() as driver:
            await driver.fetchval("SELECT 1")
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        database = "away"
    try:
        await services.redis.ping()
    except (RedisError, OSError, TimeoutError):
        redis = "away"
    ready = database == "ok"
    return json_response(
        {"status": "ok" if ready else "unavailable", "database": database, "redis": redis},
        200 if ready else 503,
    )


@router.get("/metrics", include_in_schema=False)
async def metrics() -> Response:
    """Prometheus metrics."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
