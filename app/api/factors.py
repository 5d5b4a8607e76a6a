"""The dated tables of factors that methodologies share, such as those of the grid; anybody may read them."""

import hashlib
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, Field

from accounts.errors import Fault, NotFound
from app.api.http import json_response, operation
from app.problems import RequestError
from methodologies.factor_tables import SharedTable, built_in
from methodologies.model import Row

router = APIRouter(prefix="/v1/factors", tags=["methodologies"])
CACHED = "public, max-age=3600"
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[
    str | None, Query(description="`next_cursor` of the page before", max_length=40, pattern=r"^[a-z0-9_]+$")
]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="`ETag` of the answer that the caller has")
]


class FactorTableNotFound(NotFound):
    """No such table of factors."""

    code = "factors.not_found"


class FactorTable(BaseModel):
    """A table of factors in a few words."""

    name: str = Field(description="As a methodology names it (`shared`)")
    title: dict[str, str]
    unit: str
    keys: list[str] = Field(description="What a value is read by: `province`, `year`, `month`, `kind`")
    requires_notice: bool = Field(description="Each row has the number of its notice")
    sources: list[str]
    confidence: list[str] = Field(description="`quoted`, `derived`, `provisional` or `example`")
    accounting_years: list[int] = Field(description="Years of the act; empty where no year is a key")
    data_years: list[int]
    rows: int


class FactorRow(BaseModel):
    """One value, with the year of its data, the day of its publication and the year it is used for kept apart."""

    key: dict[str, str | int]
    value: str
    accounting_year: int | None = Field(description="The year of the act; null where no year is a key")
    data_year: int | None
    published: str | None
    notice_no: str | None
    source: str
    url: str | None
    confidence: str


class FactorTableList(BaseModel):
    """A page of tables, by name."""

    items: list[FactorTable]
    next_cursor: str | None


class FactorRowList(BaseModel):
    """A table and a page of its rows, in their order."""

    table: FactorTable
    items: list[FactorRow]
    next_cursor: str | None


_SAME: dict[int | str, dict[str, Any]] = {304: {"description": "The caller has this answer"}}
_LIST = operation(errors=("request.invalid",))
_ONE = operation(errors=("request.invalid", FactorTableNotFound))


@router.get(
    "",
    response_model=FactorTableList,
    summary="Tables of factors that methodologies share",
    openapi_extra=_LIST["openapi_extra"],
    responses={**_LIST["responses"], **_SAME},
)
async def list_tables(
    limit: Limit = 50, cursor: Cursor = None, if_none_match: IfNoneMatch = None
) -> Response:
    """With unit, keys, sources and years; those of installed packages of others are in their own texts."""
    names = sorted(built_in())
    start = _start(names, cursor)
    items = [_table(built_in()[name]).model_dump() for name in names[start : start + limit]]
    more = start + limit < len(names)
    return _cached({"items": items, "next_cursor": names[start + limit - 1] if more else None}, if_none_match)


@router.get(
    "/{name}",
    response_model=FactorRowList,
    summary="A table of factors, row by row",
    openapi_extra=_ONE["openapi_extra"],
    responses={**_ONE["responses"], **_SAME},
)
async def read_table(
    name: Annotated[str, Path(max_length=40, examples=["grid_cn"])],
    limit: Limit = 50,
    cursor: Cursor = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Every value with the year of its data, its publication, its accounting year, notice, source and confidence."""
    table = built_in().get(name)
    if table is None:
        raise FactorTableNotFound
    # A page is named by the number of rows before it.
    start = _start([str(number + 1) for number in range(len(table.rows))], cursor)
    rows = table.rows[start : start + limit]
    more = start + limit < len(table.rows)
    return _cached(
        {
            "table": _table(table).model_dump(),
            "items": [_row(table, row).model_dump() for row in rows],
            "next_cursor": str(start + limit) if more else None,
        },
        if_none_match,
    )


def _start(names: list[str], cursor: str | None) -> int:
    if cursor is None:
        return 0
    if cursor not in names:
        raise RequestError("request.invalid", Fault("/cursor", "not a cursor of this list"))
    return names.index(cursor) + 1


def _table(table: SharedTable) -> FactorTable:
    rows = [_row(table, row) for row in table.rows]
    return FactorTable(
        name=table.name,
        title=table.title.model_dump(),
        unit=table.unit,
        keys=list(table.keys),
        requires_notice=table.requires_notice,
        sources=list(dict.fromkeys(row.source for row in rows)),
        confidence=sorted({row.confidence for row in rows}),
        accounting_years=sorted({row.accounting_year for row in rows if row.accounting_year is not None}),
        data_years=sorted({row.data_year for row in rows if row.data_year is not None}),
        rows=len(rows),
    )


def _row(table: SharedTable, row: Row) -> FactorRow:
    key = dict(zip(table.keys, row.key, strict=True))
    return FactorRow(
        key={str(name): part for name, part in key.items()},
        value=row.value,
        accounting_year=int(key["year"]) if "year" in key else None,
        data_year=row.data_year,
        published=None if row.published is None else row.published.isoformat(),
        notice_no=row.notice_no,
        source=row.source or table.source or "",
        url=row.url or table.url,
        confidence=row.confidence or table.confidence or "",
    )


def _cached(content: Any, if_none_match: str | None) -> Response:
    """The answer with its `ETag`, or 304 where the caller has it: the tables change with a release only."""
    etag = f'"{hashlib.sha256(orjson.dumps(content)).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": CACHED}
    known = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return json_response(content, headers=headers)
