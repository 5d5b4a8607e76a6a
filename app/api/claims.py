"""The doors of claims, for platforms that keep their own accounts."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.errors import DomainError, Fault
from accounts.ids import owner_id, parse_public_id, public_id
from app import metrics
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.batches import Answering, Invalid, Items
from app.api.http import (
    JSON,
    NDJSON,
    address_of,
    json_response,
    media_type,
    operation,
    parse,
    read_body,
)
from app.auth import audit, scopes
from app.auth.models import Organisation
from app.auth.principal import Principal
from app.claiming import release as releasing
from app.claiming.errors import AlreadyReleased, ClaimNotFound, NotHeld
from app.claiming.schemas import (
    ACT_EXAMPLE,
    CLAIM_EXAMPLE,
    ActAnswers,
    ActInput,
    ClaimBatchOutcome,
    ClaimInput,
    ClaimReleaseInput,
    ClaimView,
    DisclosureAnswer,
    DisclosureInput,
)
from app.claiming.service import Result
from app.crediting.errors import MethodologiesStale, StorageUnavailable
from app.problems import RequestError
from app.quotas.errors import QuotaExhausted
from app.wiring import Services

router = APIRouter(prefix="/v1/claims", tags=["claims"])
MAX_BYTES = 8_192
_CLAIMS = Items(ClaimInput, "claim_id")
_ACTS = Items(ActInput, "")
_RELEASE: TypeAdapter[ClaimReleaseInput] = TypeAdapter(ClaimReleaseInput)
_DISCLOSURE: TypeAdapter[DisclosureInput] = TypeAdapter(DisclosureInput)
_AWAY = (StorageUnavailable, MethodologiesStale, QuotaExhausted)
Claimer = Annotated[Principal, Depends(caller(scopes.CLAIMS_WRITE))]
READERS = (scopes.CLAIMS_READ, scopes.CLAIMS_WRITE)
Reader = Annotated[Principal, Depends(caller(*READERS))]
ClaimId = Annotated[str, Path(description="`clm_…`", examples=["clm_5b0e6a64c1d88f0f9d3a7a3f0c1b2d4e"])]


def _media(model: str, example: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{model}"}
    return {
        JSON: {"schema": {"type": "array", "maxItems": 5000, "items": reference}, "example": [example]},
        NDJSON: {
            "schema": {"type": "string", "description": "As many as there are, one a line; answered so"}
        },
    }


@router.post(
    "/batch",
    response_model=ClaimBatchOutcome,
    summary="Claim up to 5,000 acts, or any number line by line",
    **operation(
        scopes.CLAIMS_WRITE,
        media=_media("ClaimInput", CLAIM_EXAMPLE),
        errors=(QuotaExhausted, MethodologiesStale, StorageUnavailable),
    ),
)
async def claim_batch(request: Request, principal: Claimer, services: ServicesDep) -> Response:
    """One outcome for each item, in order. The tokens are those of `POST /v1/activities`: an act has one winner."""

    async def answering(items: Sequence[ClaimInput | Invalid]) -> list[dict[str, Any]]:
        return await _claim(services, principal, items)

    return await _answer(request, services, _CLAIMS, answering, _unclaimed)


@router.post(
    "/query",
    response_model=ActAnswers,
    summary="Ask whether up to 5,000 acts are claimed, or any number line by line",
    **operation(
        *READERS,
        media=_media("ActInput", ACT_EXAMPLE),
        errors=(QuotaExhausted, MethodologiesStale, StorageUnavailable),
    ),
)
async def query_claims(request: Request, principal: Reader, services: ServicesDep) -> Response:
    """One answer for each item, in order. Nothing is claimed, and it may be otherwise in a moment."""

    async def answering(items: Sequence[ActInput | Invalid]) -> list[dict[str, Any]]:
        return await _query(services, principal, items)

    return await _answer(request, services, _ACTS, answering, _untold)


@router.put(
    "/disclosure",
    response_model=DisclosureAnswer,
    summary="Agree to tell, and to be told, whose claims win",
    **operation(scopes.CLAIMS_WRITE, body=DisclosureInput, examples=[{"discloses_wins": True}]),
)
async def set_disclosure(request: Request, principal: Claimer, services: ServicesDep) -> Response:
    """Answers name the winner's platform where it agreed and the caller did; nobody is told otherwise."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    body = parse(_DISCLOSURE, await read_body(request, MAX_BYTES))
    async with services.database.transaction() as session:
        organisation = await session.get_one(Organisation, principal.organisation_id, with_for_update=True)
        before = organisation.discloses_wins
        if before != body.discloses_wins:
            organisation.discloses_wins = body.discloses_wins
            session.add(organisation)
            await audit.append(
                session,
                principal,
                services.intake.clock(),
                "organisation.disclosure_set",
                ("organisation", public_id("org", organisation.id)),
                region=organisation.region,
                address=address_of(request),
                before={"discloses_wins": before},
                after=body.model_dump(),
            )
    return json_response(body.model_dump())


@router.get(
    "/{claim_id}",
    response_model=ClaimView,
    summary="A claim of one's own, as it stands",
    **operation(*READERS, errors=(ClaimNotFound,)),
)
async def read_claim(claim_id: ClaimId, principal: Reader, services: ServicesDep) -> Response:
    """A platform sees its own claims."""
    async with services.database.reading() as session:
        found = await releasing.visible_claim(session, principal, _id(claim_id))
    return json_response(releasing.view(found).model_dump(mode="json"))


@router.post(
    "/{claim_id}/release",
    response_model=ClaimView,
    summary="Release a claim of one's own, once",
    **operation(
        scopes.CLAIMS_WRITE,
        body=ClaimReleaseInput,
        examples=[{"reason": "refunded ride"}],
        errors=(ClaimNotFound, AlreadyReleased, NotHeld, StorageUnavailable, "request.idempotency_conflict"),
    ),
)
async def release_claim(
    claim_id: ClaimId, request: Request, principal: Claimer, services: ServicesDep
) -> Response:
    """Its tokens are free at once, for whoever claims next, under another `claim_id` also for the same platform."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    raw = await read_body(request, MAX_BYTES)
    body = parse(_RELEASE, raw)

    async def act(session: AsyncSession) -> Any:
        now = services.intake.clock()
        wanted = _id(claim_id)
        released = await releasing.release(session, principal, wanted, body.reason, now, address_of(request))
        return released.model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


def _id(text: str) -> Any:
    found = parse_public_id("clm", text)
    if found is None:
        raise ClaimNotFound
    return found


Refusing = Callable[[Sequence[Any], str], list[dict[str, Any]]]


async def _answer(
    request: Request, services: Services, items: "Items[Any]", answering: Answering, refusing: Refusing
) -> Response:
    kind = media_type(request)
    most = services.settings.batch_max_items
    if kind == JSON:
        body = await read_body(request, services.settings.max_body_bytes)
        return json_response({"items": await answering(items.array(body, most))})
    if kind != NDJSON:
        raise RequestError("request.media_type")
    begun = False

    async def lines(piece: Sequence[Any]) -> list[dict[str, Any]]:
        nonlocal begun
        try:
            answers = await answering(piece)
        except _AWAY as away:
            if not begun:
                raise
            # Earlier lines are answered already: these are told that they were not looked at.
            return refusing(piece, away.code.rpartition(".")[2])
        begun = True
        return answers

    return await items.stream(request, lines, most)


def _unclaimed(items: Sequence[ClaimInput | Invalid], reason: str) -> list[dict[str, Any]]:
    names = [item.claim_id if isinstance(item, ClaimInput) else item[0] for item in items]
    return [_outcome(name, Result("rejected", reason), {}) for name in names]


def _untold(items: Sequence[ActInput | Invalid], reason: str) -> list[dict[str, Any]]:
    return [_told(None, reason) for _ in items]


async def _claim(
    services: Services, principal: Principal, items: Sequence[ClaimInput | Invalid]
) -> list[dict[str, Any]]:
    claims = [item for item in items if isinstance(item, ClaimInput)]
    results = await services.claims.claim(principal.organisation_id, claims)
    owners = {each.winner_id for each in results if isinstance(each, Result) and each.winner_id is not None}
    winners = await services.claims.winners(principal.organisation_id, owners)
    fresh = Counter((e.outcome, e.reason or "") for e in results if isinstance(e, Result) and not e.replayed)
    for names, count in fresh.items():
        metrics.CLAIMS.labels(*names).inc(count)
    following = iter(results)
    answers = []
    for item in items:
        if isinstance(item, ClaimInput):
            answers.append(_outcome(item.claim_id, next(following), winners))
        else:
            answers.append(_outcome(item[0], Result("rejected", "invalid"), winners, _faults(item[1])))
    return answers


def _outcome(
    claim_id: str | None,
    result: "Result | DomainError",
    winners: dict[Any, dict[str, str]],
    faults: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:
    if isinstance(result, DomainError):
        result = Result("rejected", result.code.rpartition(".")[2])
    return {
        "claim_id": claim_id,
        "id": None if result.id is None else public_id("clm", result.id),
        "outcome": result.outcome,
        "reason": result.reason,
        "winner_id": None if result.winner_id is None else owner_id(result.winner_id),
        "winner": winners.get(result.winner_id),
        "released_at": result.released_at,
        "replayed": result.replayed,
        "errors": faults,
    }


async def _query(
    services: Services, principal: Principal, items: Sequence[ActInput | Invalid]
) -> list[dict[str, Any]]:
    acts = [item for item in items if isinstance(item, ActInput)]
    found = await services.claims.query(principal.organisation_id, acts)
    owners = {each[1] for _, each, _ in found if each is not None}
    winners = await services.claims.winners(principal.organisation_id, owners)
    following = iter(found)
    answers: list[dict[str, Any]] = []
    for item in items:
        if not isinstance(item, ActInput):
            answers.append(_told(None, "invalid", faults=_faults(item[1])))
            continue
        act, held, own = next(following)
        if held is None:
            answers.append(_told(None if act.refusal else False, act.refusal))
        else:
            answers.append(_told(True, held[0], own, owner_id(held[1]), winners.get(held[1])))
    return answers


def _told(
    claimed: bool | None,
    reason: str | None,
    own: bool = False,
    winner_id: str | None = None,
    winner: dict[str, str] | None = None,
    faults: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:
    return {
        "claimed": claimed,
        "own": own,
        "reason": reason,
        "winner_id": winner_id,
        "winner": winner,
        "errors": faults,
    }


def _faults(faults: Sequence[Fault]) -> list[dict[str, str]]:
    return [{"pointer": fault.pointer, "reason": fault.reason} for fault in faults]
