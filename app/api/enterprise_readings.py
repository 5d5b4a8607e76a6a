"""The doors of readings: sent in batches, read as they were sent, and as what was used."""

import csv
import datetime
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter, ValidationError

from accounts.enterprises.errors import MeterNotFound
from accounts.errors import Fault
from accounts.fields import Moment
from accounts.ids import public_id
from accounts.metering import queries, service
from accounts.metering.errors import ExchangeExists, NotCumulative
from accounts.metering.marks import is_measured, revision_of
from accounts.metering.quarters import QUARTERS_A_DAY, begins_at, boundary_of, closed_by, ends_at
from accounts.metering.queries import Gap, OffStep, Step, Use
from accounts.metering.registers import Exchange
from accounts.metering.repository import FIRST_DAY, exchange_rows, number_of
from accounts.metering.schemas import (
    READING_EXAMPLE,
    ExchangeInput,
    ExchangeList,
    ExchangeView,
    GapList,
    ReadingBatchAnswer,
    ReadingInput,
    ReadingList,
    UseList,
)
from accounts.metering.service import KnownMeter
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.batches import Invalid, Items
from app.api.carbon import read_json_raw
from app.api.enterprise_structure import own_enterprise
from app.api.http import JSON, NDJSON, address_of, json_response, media_type, operation, read_body
from app.auth import audit, scopes
from app.auth.principal import Principal
from app.crediting.errors import StorageUnavailable
from app.database import driver_of
from app.problems import RequestError
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from uuid import UUID

    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.wiring import Services

router = APIRouter(prefix="/v1/enterprises", tags=["enterprises"])
MOST: Final = 10_000
CSV: Final = "text/csv"
COLUMNS: Final = tuple(ReadingInput.model_fields)
_ITEMS = Items(ReadingInput, "meter")
_EXCHANGE: TypeAdapter[ExchangeInput] = TypeAdapter(ExchangeInput)
_MOMENT: TypeAdapter[datetime.datetime] = TypeAdapter(Moment)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST: Final = datetime.timedelta(days=366)
Sender = Annotated[Principal, Depends(caller(scopes.READINGS_WRITE))]
Reader = Annotated[Principal, Depends(caller(scopes.READINGS_READ))]
MeterId = Annotated[str, Path(description="`mtr_…`", examples=["mtr_" + "0" * 32], max_length=40)]
_BOUND = "RFC 3339 with offset, or a day in Asia/Shanghai"
Since = Annotated[str, Query(alias="from", description=_BOUND, examples=["2026-11-20"], max_length=40)]
Until = Annotated[str, Query(alias="to", description=_BOUND, examples=["2026-11-21"], max_length=40)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=40)]


@router.post(
    "/readings/batch",
    response_model=ReadingBatchAnswer,
    summary="Send up to 10,000 readings",
    **operation(
        scopes.READINGS_WRITE,
        media={
            JSON: {
                "schema": {
                    "type": "array",
                    "maxItems": MOST,
                    "items": {"$ref": "#/components/schemas/ReadingInput"},
                },
                "example": [READING_EXAMPLE],
            },
            NDJSON: {
                "schema": {
                    "type": "string",
                    "description": "One reading a line; the answer has one outcome a line",
                }
            },
            CSV: {
                "schema": {
                    "type": "string",
                    "description": "UTF-8, with a line of names first, those of `ReadingInput`; answered as JSON",
                }
            },
        },
        errors=(StorageUnavailable,),
    ),
)
async def send_readings(request: Request, principal: Sender, services: ServicesDep) -> Response:
    """One answer for each item, in order, when it is durably stored; a bad item never spoils the others.

    Late, repeated and in any order: what follows is the same.
    """
    kind = media_type(request)
    if kind not in {JSON, NDJSON, CSV}:
        raise RequestError("request.media_type")
    body = await read_body(request, services.settings.max_body_bytes)
    items: Sequence[ReadingInput | Invalid]
    items = _ITEMS.array(body, MOST) if kind == JSON else _lines(body) if kind == NDJSON else _table(body)
    answers = await services.readings.take(own_enterprise(principal), principal.client_id, items)
    if kind == NDJSON:
        return Response(b"".join(orjson.dumps(answer) + b"\n" for answer in answers), media_type=NDJSON)
    return json_response({"items": answers})


@router.get(
    "/meters/{meter_id}/uses",
    response_model=UseList,
    summary="What a meter of mine used, by quarter-hour, hour, day or month",
    **operation(scopes.READINGS_READ, errors=(MeterNotFound, "request.invalid")),
)
async def list_uses(
    meter_id: MeterId,
    principal: Reader,
    services: ServicesDep,
    since: Since,
    until: Until,
    step: Annotated[Step, Query()] = Step.DAY,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Every step of the time, with what is missing; `from` is included, `to` is not."""
    meter = await _meter(services, principal, meter_id)
    begin = _moment(since, "/from") if cursor is None else _moment(cursor, "/cursor")
    end = _moment(until, "/to")
    last = min(end, _after(step, begin, limit))
    try:
        async with services.database.statement() as driver:
            found = await queries.uses(driver, [meter.id], step, begin, last)
    except OffStep as off:
        raise RequestError("request.invalid", Fault("", str(off))) from None
    items = [_use(meter, use) for use in found]
    return json_response({"items": items, "next_cursor": last.isoformat() if last < end else None})


@router.get(
    "/meters/{meter_id}/readings",
    response_model=ReadingList,
    summary="The readings of a meter of mine, with what they replaced",
    **operation(scopes.READINGS_READ, errors=(MeterNotFound, "request.invalid")),
)
async def list_readings(
    meter_id: MeterId,
    principal: Reader,
    services: ServicesDep,
    since: Since,
    until: Until,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Of quarter-hours from `from` on, before `to`: the first is the one that `from` begins."""
    meter = await _meter(services, principal, meter_id)
    first, end = _range(since, until, cursor)
    async with services.database.snapshot() as driver:
        found = await queries.readings(driver, meter.id, first, end, limit + 1)
        replaced = await queries.revisions(driver, meter.id, first, found[-1].quarter + 1) if found else {}
    items = []
    for reading in found[:limit]:
        rows = replaced.get(reading.quarter, ())
        items.append(
            {
                "at": ends_at(reading.quarter),
                meter.field: reading.value,
                "revision": revision_of(reading.mark),
                "estimated": not is_measured(reading.mark),
                "revisions": [
                    {
                        "revision": revision_of(row["mark"]),
                        "estimated": not is_measured(row["mark"]),
                        meter.field: row["value"],
                        "replaced_by": row["replaced_by"],
                        "replaced_at": row["replaced_at"],
                    }
                    for row in rows
                ],
            }
        )
    following = begins_at(found[limit].quarter).isoformat() if len(found) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.get(
    "/meters/{meter_id}/gaps",
    response_model=GapList,
    summary="The gaps of a meter of mine",
    **operation(scopes.READINGS_READ, errors=(MeterNotFound, "request.invalid")),
)
async def list_gaps(
    meter_id: MeterId,
    principal: Reader,
    services: ServicesDep,
    since: Since,
    until: Until,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """While the meter was there, up to now; of at most a year. Nothing is filled in: an estimate is a reading."""
    meter = await _meter(services, principal, meter_id)
    first, end = _range(since, until, cursor)
    now = services.intake.clock()
    present = closed_by(now - datetime.timedelta(seconds=now.timestamp() % 900)) or 0
    first = max(first, meter.first)
    end = min(end, present + 1, end if meter.last is None else meter.last + 1)
    found: list[Gap] = []
    if first < end:
        async with services.database.statement() as driver:
            found = await queries.gaps(driver, meter.id, first, end, limit + 1)
    items = [
        {
            "starts_at": begins_at(gap.first),
            "ends_at": begins_at(gap.end),
            "quarters": gap.end - gap.first,
            **({} if gap.amount is None else {meter.field: gap.amount}),
        }
        for gap in found[:limit]
    ]
    following = begins_at(found[limit].first).isoformat() if len(found) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.post(
    "/meters/{meter_id}/exchanges",
    response_model=ExchangeView,
    summary="Say that another meter took over",
    **operation(
        scopes.READINGS_WRITE,
        body=ExchangeInput,
        examples=[
            {"at": "2026-11-20T10:15:00+08:00", "last_register": 99_120_000, "first_register": 0},
        ],
        errors=(
            MeterNotFound,
            NotCumulative,
            ExchangeExists,
            StorageUnavailable,
            "request.idempotency_conflict",
        ),
    ),
)
async def exchange_meter(
    meter_id: MeterId, request: Request, principal: Sender, services: ServicesDep
) -> Response:
    """Of a cumulative meter, whose register begins elsewhere from then on; its number and its past stay."""
    raw, body = await read_json_raw(request, _EXCHANGE)
    meter = await _meter(services, principal, meter_id)
    if not meter.cumulative:
        raise NotCumulative
    now = services.intake.clock()
    quarter = closed_by(body.at)
    if quarter is None or body.at > now or quarter < number_of(FIRST_DAY) * QUARTERS_A_DAY:
        raise RequestError("request.invalid", Fault("/at", "a quarter-hour that has ended"))
    if body.register_max is not None and body.register_max <= body.first_register:
        raise RequestError("request.invalid", Fault("/register_max", "more than the first register"))
    exchanged = Exchange(quarter, body.last_register, body.first_register, body.register_max)

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        if await service.exchange(driver, meter, exchanged, body.at, principal.client_id, now):
            await audit.append(
                session,
                principal,
                now,
                "meter.exchanged",
                ("meter", public_id("mtr", meter.id)),
                region=principal.region,
                address=address_of(request),
                after=body.model_dump(mode="json"),
            )
        rows = await exchange_rows(driver, meter.id)
        return next(_exchange(row).model_dump(mode="json") for row in rows if closed_by(row["at"]) == quarter)

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/meters/{meter_id}/exchanges",
    response_model=ExchangeList,
    summary="The exchanges of a meter of mine",
    **operation(scopes.READINGS_READ, errors=(MeterNotFound,)),
)
async def list_exchanges(meter_id: MeterId, principal: Reader, services: ServicesDep) -> Response:
    """By time, at most 200."""
    meter = await _meter(services, principal, meter_id)
    async with services.database.statement() as driver:
        rows = await exchange_rows(driver, meter.id)
    return json_response({"items": [_exchange(row).model_dump(mode="json") for row in rows]})


def _lines(body: bytes) -> list[ReadingInput | Invalid]:
    lines = [line for line in io.BytesIO(body) if line.strip()]
    if len(lines) > MOST:
        raise RequestError("request.invalid", Fault("", f"at most {MOST} items in a batch"))
    return [_ITEMS.item(line, index) for index, line in enumerate(lines)]


def _table(body: bytes) -> list[ReadingInput | Invalid]:
    try:
        rows = csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        names = next(rows, [])
        cells = [row for row in rows if row]
    except (UnicodeDecodeError, csv.Error):
        raise RequestError("request.malformed") from None
    if "meter" not in names or "at" not in names or not set(names) <= set(COLUMNS):
        raise RequestError("request.invalid", Fault("", "the first line names columns of `ReadingInput`"))
    if len(cells) > MOST:
        raise RequestError("request.invalid", Fault("", f"at most {MOST} items in a batch"))
    return [_ITEMS.item(orjson.dumps(_named(names, row)), index) for index, row in enumerate(cells)]


def _named(names: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """A row as an item: what is empty is left out, and what does not fit stays as it is, to be refused."""
    found: dict[str, Any] = {}
    for name, cell in zip(names, row, strict=False):
        if name in {"meter", "at"}:
            found[name] = cell
        elif cell:
            number = cell.isascii() and cell.isdigit() and len(cell) <= len(str(10**15))
            found[name] = cell == "true" if cell in {"true", "false"} else int(cell) if number else cell
    if len(row) > len(names):
        found["more_columns_than_names"] = True
    return found


async def _meter(services: "Services", principal: Principal, meter_id: str) -> KnownMeter:
    holder_id: UUID = own_enterprise(principal)
    directory = services.readings.directory
    found = (await directory.meters(holder_id)).get(meter_id)
    if found is None:
        found = (await directory.anew(holder_id)).get(meter_id)
    if found is None:
        raise MeterNotFound
    return found


def _moment(text: str, place: str) -> datetime.datetime:
    try:
        if _DAY.fullmatch(text):
            return begins_at(number_of(datetime.date.fromisoformat(text)) * QUARTERS_A_DAY)
        moment = _MOMENT.validate_python(text)
    except (ValidationError, ValueError, OverflowError):
        raise RequestError("request.invalid", Fault(place, _BOUND)) from None
    if not 1992 <= moment.year < 2200:  # noqa: PLR2004 - the zone is fixed since then, and sums stay small
        raise RequestError("request.invalid", Fault(place, "between 1992 and 2200"))
    return moment.astimezone(LOCAL)


def _range(since: str, until: str, cursor: str | None) -> tuple[int, int]:
    begin = _moment(since, "/from") if cursor is None else _moment(cursor, "/cursor")
    end = _moment(until, "/to")
    first, last = boundary_of(begin), boundary_of(end)
    if first is None or last is None:
        raise RequestError("request.invalid", Fault("", "not on a quarter-hour"))
    if end - begin > _LONGEST:
        raise RequestError("request.invalid", Fault("/to", "at most 366 days"))
    return first, max(first + 1, last)


def _after(step: Step, begin: datetime.datetime, count: int) -> datetime.datetime:
    """So many steps later."""
    if step is Step.MONTH:
        months = begin.year * 12 + begin.month - 1 + count
        return begin.replace(year=months // 12, month=months % 12 + 1)
    minutes = {Step.QUARTER: 15, Step.HOUR: 60, Step.DAY: 1440}[step]
    return begin + datetime.timedelta(minutes=minutes * count)


def _use(meter: KnownMeter, use: Use) -> dict[str, Any]:
    return {
        "starts_at": use.starts_at,
        meter.field: use.amount,
        "measured": use.measured,
        "estimated": use.estimated,
        "missing": use.missing,
    }


def _exchange(row: Any) -> ExchangeView:
    return ExchangeView(
        at=row["at"],
        last_register=row["last_register"],
        first_register=row["first_register"],
        register_max=row["register_max"],
        entered_at=row["entered_at"],
    )
