"""The doors of source platforms: report, read, explain and reverse activities."""

import io
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, FailFast, Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from accounts.errors import DomainError, Fault
from accounts.fields import MAX_TEXT
from accounts.ids import owner_id, parse_public_id, public_id
from accounts.offsetting.errors import GramsUsed
from accounts.quantities import grams
from app import metrics
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import (
    JSON,
    NDJSON,
    address_of,
    faults_of,
    json_response,
    media_type,
    operation,
    parse,
    read_body,
    read_json,
)
from app.auth import scopes
from app.auth.principal import Principal
from app.crediting import collection, explanation, queries, reversal
from app.crediting.corroboration_decision import Behind
from app.crediting.errors import (
    ActivityNotFound,
    AlreadyReversed,
    EventConflict,
    Lapsed,
    MethodologiesStale,
    NotCollectableYet,
    NotPending,
    NotReversible,
    StorageUnavailable,
    Unprocessable,
    WithoutConsent,
)
from app.crediting.models import Activity, Outcome
from app.crediting.schemas import ActivityOutcome, ActivityReport, BatchOutcome
from app.crediting.service import CONFLICT, Result
from app.my_data import access
from app.problems import RequestError
from app.wiring import Services

if TYPE_CHECKING:
    from prometheus_client import Counter

    from app.crediting.prepare import Prepared

router = APIRouter(prefix="/v1/activities", tags=["activities"])

_ONE: TypeAdapter[ActivityReport] = TypeAdapter(ActivityReport)
_MANY: TypeAdapter[list[ActivityReport]] = TypeAdapter(Annotated[list[ActivityReport], FailFast()])
MAX_REPORT_BYTES = 65_536
"""Of one report; the longest that fits the fields has about 10,000."""
_EXAMPLE = ActivityReport.model_config["json_schema_extra"]["examples"][0]  # type: ignore[index]

Reporter = Annotated[Principal, Depends(caller(scopes.ACTIVITIES_WRITE))]
READERS = (scopes.ACTIVITIES_READ, scopes.OPERATOR_ACTIVITIES_READ, scopes.ME_READ)
Reader = Annotated[Principal, Depends(caller(*READERS))]
REVERSERS = (scopes.ACTIVITIES_WRITE, scopes.OPERATOR_ACTIVITIES_REVERSE)
Reverser = Annotated[Principal, Depends(caller(*REVERSERS))]
ActivityId = Annotated[str, Path(description="`act_…`", examples=["act_01a1fc693a86700e9ae525ac545ac6cd"])]


class ReversalRequest(BaseModel):
    """Why an activity is reversed."""

    reason: str = Field(
        min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["refunded order"]
    )
    refuted: bool = Field(
        default=False,
        description="The act did not happen, so that no other platform's report of it is credited either; "
        "an operator says so",
    )


_REVERSAL: TypeAdapter[ReversalRequest] = TypeAdapter(ReversalRequest)


def outcome_of(event_id: str | None, result: "Result | DomainError") -> dict[str, Any]:
    """The JSON of an `ActivityOutcome`."""
    if isinstance(result, DomainError):
        return _rejected(event_id, result.code.rpartition(".")[2], ())
    return {
        "event_id": event_id,
        "outcome": result.outcome,
        "reason": result.reason,
        "activity_id": None if result.activity_id is None else public_id("act", result.activity_id),
        "co2e_g": grams(result.co2e_mg),
        "aggregated_g": grams(result.aggregated_mg),
        "points": result.points,
        "winner_id": None if result.winner_id is None else owner_id(result.winner_id),
        "reversed_at": result.reversed_at,
        "replayed": result.replayed,
        "errors": [],
    }


def _rejected(event_id: str | None, reason: str, faults: Sequence[Fault]) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "outcome": "rejected",
        "reason": reason,
        "activity_id": None,
        "co2e_g": "0",
        "aggregated_g": "0",
        "points": 0,
        "winner_id": None,
        "reversed_at": None,
        "replayed": False,
        "errors": [{"pointer": fault.pointer, "reason": fault.reason} for fault in faults],
    }


# Found once: `labels` takes a lock and looks again for each report. There are as many as outcomes have reasons.
@cache
def _counter(outcome: str, reason: str) -> "Counter":
    return metrics.OUTCOMES.labels(outcome, reason)


def _count(result: "Result | DomainError") -> None:
    if isinstance(result, Result) and not result.replayed:
        _counter(result.outcome, result.reason or "").inc()
        credited_mg = result.co2e_mg + result.aggregated_mg
        if credited_mg and result.outcome is not Outcome.PENDING:
            metrics.CO2E_MG.inc(credited_mg)


@router.post(
    "",
    response_model=ActivityOutcome,
    summary="Report one activity",
    **operation(
        scopes.ACTIVITIES_WRITE,
        body=ActivityReport,
        examples=[_EXAMPLE],
        errors=(EventConflict, Unprocessable, MethodologiesStale, StorageUnavailable),
    ),
)
async def report(request: Request, principal: Reporter, services: ServicesDep) -> Response:
    """Answered when it is durably stored. The same `event_id` again gets the same activity in its present state."""
    body = await read_json(request, _ONE, MAX_REPORT_BYTES)
    prepared = services.preparer.prepare(body, principal.organisation_id, services.intake.clock())
    result = await services.intake.report(prepared)
    if result is CONFLICT:
        raise EventConflict
    _count(result)
    headers = {"Idempotent-Replayed": "true"} if result.replayed else None
    return json_response(outcome_of(body.event_id, result), headers=headers)


@router.post(
    "/batch",
    response_model=BatchOutcome,
    summary="Report up to 5,000 activities",
    **operation(
        scopes.ACTIVITIES_WRITE,
        media={
            JSON: {
                "schema": {
                    "type": "array",
                    "maxItems": 5000,
                    "items": {"$ref": "#/components/schemas/ActivityReport"},
                },
                "example": [_EXAMPLE],
            },
            NDJSON: {
                "schema": {
                    "type": "string",
                    "description": "One report a line; the answer has one outcome a line",
                }
            },
        },
        errors=(MethodologiesStale, StorageUnavailable),
    ),
)
async def report_batch(request: Request, principal: Reporter, services: ServicesDep) -> Response:
    """One outcome for each item, in order; a bad item never spoils the others."""
    kind = media_type(request)
    if kind not in (JSON, NDJSON):
        raise RequestError("request.media_type")
    body = await read_body(request, services.settings.max_body_bytes)
    most = services.settings.batch_max_items
    items = _lines(body, most) if kind == NDJSON else _array(body, most)
    answers = await _report_items(services, principal.organisation_id, items)
    if kind == NDJSON:
        return Response(b"".join(orjson.dumps(answer) + b"\n" for answer in answers), media_type=NDJSON)
    return json_response({"items": answers})


Item = ActivityReport | tuple[str | None, list[Fault]]
"""A valid report, or the event id and faults of an invalid one."""


def _bounded(count: int, most: int) -> None:
    if count > most:
        raise RequestError("request.invalid", Fault("", f"at most {most} items in a batch"))


def _array(body: bytes, most: int) -> Sequence[Item]:
    try:
        reports = _MANY.validate_json(body)
    except ValidationError:
        # At least one item does not fit. Look at each on its own, so that the others go through.
        try:
            raw = from_json(body, allow_inf_nan=False)
        except ValueError:
            raise RequestError("request.malformed") from None
        if not isinstance(raw, list):
            raise RequestError("request.invalid", Fault("", "Input should be a valid array")) from None
        _bounded(len(raw), most)
        return [_item(to_json(value), f"/{index}") for index, value in enumerate(raw)]
    _bounded(len(reports), most)
    return reports


def _lines(body: bytes, most: int) -> list[Item]:
    lines: list[bytes] = []
    for line in io.BytesIO(body):
        if line.strip():
            lines.append(line)
            _bounded(len(lines), most)
    return [_item(line, f"/{index}") for index, line in enumerate(lines)]


def _item(body: bytes, place: str) -> Item:
    if len(body) > MAX_REPORT_BYTES:
        return None, [Fault(place, "too large for one report")]
    try:
        return _ONE.validate_json(body)
    except ValidationError as error:
        return _event_id(body), faults_of(error, place)


def _event_id(body: bytes) -> str | None:
    try:
        value = from_json(body)
    except ValueError:
        return None
    event_id = value.get("event_id") if isinstance(value, dict) else None
    return event_id if isinstance(event_id, str) and len(event_id) <= MAX_TEXT else None


async def _report_items(services: Services, source_id: UUID, items: Sequence[Item]) -> list[dict[str, Any]]:
    now = services.intake.clock()
    prepare = services.preparer.prepare
    batch: list[Prepared] = [
        prepare(item, source_id, now) for item in items if isinstance(item, ActivityReport)
    ]
    results = iter(await services.intake.report_batch(batch) if batch else ())
    answers = []
    for item in items:
        if isinstance(item, ActivityReport):
            result = next(results)
            _count(result)
            answers.append(outcome_of(item.event_id, result))
        else:
            answers.append(_rejected(item[0], "invalid", item[1]))
    return answers


def _activity_id(text: str) -> UUID:
    value = parse_public_id("act", text)
    if value is None:
        raise ActivityNotFound
    return value


@router.get(
    "/{activity_id}",
    response_model=queries.ActivityView,
    summary="An activity in its present state",
    **operation(*READERS, errors=(ActivityNotFound,)),
)
async def read_activity(activity_id: ActivityId, principal: Reader, services: ServicesDep) -> Response:
    """A source sees its own, an operator those of its region, a holder its own."""
    async with access.session_for(services, principal, queries.OPERATOR_SCOPES) as session:
        activity = await queries.visible_activity(session, principal, _activity_id(activity_id))
        await _record(session, principal, services, "activity", activity)
        window = await collection.window_of(session, services.rules_now(), activity)
        return json_response(queries.view(activity, window).model_dump(mode="json"))


@router.get(
    "/{activity_id}/explanation",
    response_model=explanation.ActivityExplanation,
    summary="Why each gram was credited, and by which text",
    **operation(*READERS, errors=(ActivityNotFound,)),
)
async def explain_activity(activity_id: ActivityId, principal: Reader, services: ServicesDep) -> Response:
    """Formula, every parameter with its source, every step, rounding, caps and points."""
    async with access.session_for(services, principal, queries.OPERATOR_SCOPES) as session:
        activity = await queries.visible_activity(session, principal, _activity_id(activity_id))
        await _record(session, principal, services, "explanation", activity)
        told = await explanation.explain(session, services.rules_now(), activity)
        return json_response(told.model_dump(mode="json"))


@router.post(
    "/{activity_id}/reversal",
    response_model=queries.ActivityView,
    summary="Reverse a credited activity, once",
    **operation(
        *REVERSERS,
        body=ReversalRequest,
        examples=[{"reason": "refunded order"}],
        errors=(
            ActivityNotFound,
            AlreadyReversed,
            NotReversible,
            GramsUsed,
            StorageUnavailable,
            "request.idempotency_conflict",
        ),
    ),
)
async def reverse_activity(
    activity_id: ActivityId, request: Request, principal: Reverser, services: ServicesDep
) -> Response:
    """Compensating entries take back grams and points; the claims are free again; caps get their headroom back.

    Where another platform reported the act too, that report is credited in its place.
    """
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    raw = await read_body(request, MAX_REPORT_BYTES)
    body = parse(_REVERSAL, raw)
    if body.refuted and scopes.OPERATOR_ACTIVITIES_REVERSE not in principal.scopes:
        # A platform speaks for its own reports.
        raise RequestError("request.invalid", Fault("/refuted", "an operator says so", "须由运营方作出"))

    async def act(session: Any) -> Any:
        activity = await queries.visible_activity(session, principal, _activity_id(activity_id))
        await reversal.reverse(
            session,
            services.rules_now(),
            activity,
            principal,
            body.reason,
            services.intake.clock(),
            address_of(request),
            Behind.REFUTED if body.refuted else Behind.DECIDE_AGAIN,
        )
        return queries.view(activity).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/{activity_id}/collection",
    response_model=queries.ActivityView,
    summary="Collect a pending credit, once",
    **operation(
        scopes.ACTIVITIES_WRITE,
        errors=(
            ActivityNotFound,
            NotPending,
            NotCollectableYet,
            Lapsed,
            WithoutConsent,
            StorageUnavailable,
            "request.idempotency_conflict",
        ),
    ),
)
async def collect_activity(
    activity_id: ActivityId, request: Request, principal: Reporter, services: ServicesDep
) -> Response:
    """For the person who asked for it: grams and points are booked now. What is not collected in time lapses."""

    async def act(session: Any) -> Any:
        activity = await queries.visible_activity(session, principal, _activity_id(activity_id))
        await collection.collect(session, services.rules_now(), activity, services.intake.clock())
        metrics.CO2E_MG.inc(activity.co2e_mg)
        return queries.view(activity).model_dump(mode="json")

    return await idempotency.write(request, principal, services, b"", act)


async def _record(
    session: Any, principal: Principal, services: Services, what: access.What, activity: Activity
) -> None:
    """The holder's access log tells what an operator read; a source's reports are the source's own."""
    if access.is_recorded(principal, queries.OPERATOR_SCOPES):
        read = [(activity.holder_id, public_id("act", activity.id))]
        await access.record(session, principal, what, read, services.intake.clock())
