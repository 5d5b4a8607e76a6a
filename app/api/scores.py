"""The doors of scores: one's own with its reasons and data, the cards, which are in force, conduct on record."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter

from accounts.errors import Fault, HolderNotFound
from accounts.scores import queries, repository
from accounts.scores.errors import CardNotFound, ConductNotFound, ConductWithdrawn
from app.api import idempotency, my, programmes
from app.api.access import ServicesDep, caller
from app.api.http import address_of, json_response, operation
from app.auth import scopes
from app.auth.principal import Principal, prefix
from app.problems import RequestError
from app.programmes import errors as texts
from app.programmes.decisions import Actor, all_know_at
from app.programmes.models import Kind
from app.programmes.schemas import ApprovalInput, ScoreCardsList, ScoreCardsView
from app.scoring import conduct
from app.scoring.in_force import ScoreCards
from app.scoring.schemas import (
    ConductInput,
    ConductRecordList,
    ConductRecordView,
    ConductWithdrawalInput,
    ScoreCardList,
    ScoreList,
    ScoreWithData,
    card_view,
    data_view,
    record_view,
    score_view,
)
from app.scoring.service import score_and_facts
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.wiring import Services

router = APIRouter(tags=["scores"])
Reader = Annotated[Principal, Depends(caller(scopes.SCORES_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.SCORES_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.SCORES_APPROVE))]
CardPath = Annotated[str, Path(max_length=64, examples=["resident"])]
RecordId = Annotated[str, Path(description="`cnd_…`", examples=["cnd_01a1fc693a86700e9ae525ac545ac6cd"])]
AsOf = Annotated[dt.date | None, Query(description="A day up to today; today where absent")]
OwnEnterprise = Annotated[Principal, Depends(caller(scopes.LABEL_READ))]
OLDEST = dt.timedelta(days=366)
_SET = {
    "region": "440300",
    "from": "2027-01-01",
    "cards": [{"card": "resident", "version": "1"}, {"card": "wendeng", "version": "2023-04"}],
}
_CONDUCT = {
    "holder_id": "hld_01a1fc693a86700e9ae525ac545ac6cd",
    "kind": "refuted_act",
    "happened_on": "2026-11-02",
    "reason": "dispute dsp_01a1fc: the ride did not happen",
}
_REASON = {"reason": "council decision 2026-118"}
_INPUT: TypeAdapter[ConductInput] = TypeAdapter(ConductInput)
_WITHDRAWAL: TypeAdapter[ConductWithdrawalInput] = TypeAdapter(ConductWithdrawalInput)


@router.get("/v1/score-cards", response_model=ScoreCardList, summary="Score cards", **operation())
async def list_cards(services: ServicesDep) -> Response:
    """Every version with its whole text: dimensions, weights, caps, look-back, minimum, tiers, and what it reads."""
    shipped = services.live.score_cards().shipped
    return json_response({"items": [card_view(each) for each in shipped]})


@router.get(
    "/v1/me/scores",
    response_model=ScoreList,
    summary="My scores as of the latest month, explained",
    **operation(scopes.ME_READ),
)
async def my_scores(principal: my.Reader, services: ServicesDep) -> Response:
    """By each card that is in force where my account is kept; empty before the first snapshot."""
    return await _latest(principal, services)


@router.get(
    "/v1/me/scores/{card}",
    response_model=ScoreWithData,
    summary="My score by a card as of a day, with the data that it used",
    **operation(scopes.ME_READ, errors=(CardNotFound, HolderNotFound, "request.invalid")),
)
async def my_score(
    card: CardPath,
    principal: my.Reader,
    services: ServicesDep,
    as_of: AsOf = None,
) -> Response:
    """Computed now: whole months as counted, and of the day's own month the acts up to the day."""
    return await _as_of(principal, services, card, as_of)


@router.get(
    "/v1/enterprises/scores",
    response_model=ScoreList,
    summary="My enterprise's scores as of the latest month, explained",
    **operation(scopes.LABEL_READ),
)
async def enterprise_scores(principal: OwnEnterprise, services: ServicesDep) -> Response:
    """By each card for enterprises that is in force in its region; empty before the first snapshot."""
    return await _latest(principal, services)


@router.get(
    "/v1/enterprises/scores/{card}",
    response_model=ScoreWithData,
    summary="My enterprise's score by a card as of a day, with the data that it used",
    **operation(scopes.LABEL_READ, errors=(CardNotFound, HolderNotFound, "request.invalid")),
)
async def enterprise_score(
    card: CardPath, principal: OwnEnterprise, services: ServicesDep, as_of: AsOf = None
) -> Response:
    """Computed now, by the label that counted on the day."""
    return await _as_of(principal, services, card, as_of)


async def _latest(principal: Principal, services: "Services") -> Response:
    async with services.database.statement() as driver:
        found = await queries.latest(driver, [my.own(principal)])
    return json_response({"items": [score_view(each) for each in found]})


async def _as_of(principal: Principal, services: "Services", card: str, as_of: dt.date | None) -> Response:
    holder_id = my.own(principal)
    today = services.intake.clock().astimezone(LOCAL).date()
    day = as_of or today
    if not today - OLDEST <= day <= today:
        raise RequestError(
            "request.invalid", Fault("/as_of", "must lie within the last year", "须在近一年内")
        )
    async with services.database.snapshot() as driver:
        found, facts = await score_and_facts(driver, services.live.score_cards(), holder_id, card, day)
    return json_response(score_view(found) | data_view(facts))


@router.get(
    "/v1/operator/score-cards",
    response_model=ScoreCardsList,
    summary="Which score cards are in force in the region, the newest first",
    **operation(scopes.SCORES_READ, errors=("request.invalid",)),
)
async def list_sets(
    principal: Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Where there is none, nobody has a score."""
    return await programmes.page_of_texts(principal, services, Kind.SCORE_CARDS, limit, cursor)


@router.post(
    "/v1/operator/score-cards",
    response_model=ScoreCardsView,
    summary="Draft which score cards are in force from a day on",
    **operation(
        scopes.SCORES_WRITE,
        body=ScoreCards,
        examples=[_SET],
        errors=(texts.OutOfRegion, CardNotFound, "request.idempotency_conflict"),
    ),
)
async def draft_set(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """The whole set of a region: a later one takes its place. It counts once a second operator has approved it."""
    return await programmes.draft_text(request, principal, services, ScoreCards, _known_cards(services))


@router.get(
    "/v1/operator/score-cards/{set_id}",
    response_model=ScoreCardsView,
    summary="A set of score cards",
    **operation(scopes.SCORES_READ, errors=(texts.TextNotFound,)),
)
async def read_set(set_id: programmes.TextId, principal: Reader, services: ServicesDep) -> Response:
    """With its state and its `etag`."""
    return await programmes.one_text(principal, services, Kind.SCORE_CARDS, set_id)


@router.put(
    "/v1/operator/score-cards/{set_id}",
    response_model=ScoreCardsView,
    summary="Replace a drafted set of score cards",
    **operation(
        scopes.SCORES_WRITE,
        body=ScoreCards,
        examples=[_SET],
        errors=(*programmes.STEP_ERRORS, texts.Immutable, CardNotFound),
    ),
)
async def edit_set(
    set_id: programmes.TextId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: programmes.IfMatch = None,
) -> Response:
    """From the approval on it never changes."""
    check = _known_cards(services)
    return await programmes.edit_text(request, principal, services, ScoreCards, set_id, if_match, check)


@router.post(
    "/v1/operator/score-cards/{set_id}/approval",
    response_model=ScoreCardsView,
    summary="Approve a set of score cards that others wrote",
    **operation(
        scopes.SCORES_APPROVE,
        body=ApprovalInput,
        examples=[_REASON],
        errors=(
            *programmes.STEP_ERRORS,
            *(texts.Immutable, texts.ApproveOwn, texts.LeadTooShort, texts.DayTaken),
        ),
    ),
)
async def approve_set(
    set_id: programmes.TextId,
    request: Request,
    principal: Approver,
    services: ServicesDep,
    if_match: programmes.IfMatch = None,
) -> Response:
    """Its first day has to be far enough ahead that every process knows of it by then."""
    return await programmes.approve_text(request, principal, services, Kind.SCORE_CARDS, set_id, if_match)


def _known_cards(services: "Services") -> Callable[[ScoreCards], None]:
    """A set names cards that this deployment has; raises `CardNotFound`."""
    shipped = services.live.score_cards().shipped

    def check(chosen: ScoreCards) -> None:
        for place, each in enumerate(chosen.cards):
            if shipped.find(each.card, each.version) is None:
                raise CardNotFound(Fault(f"/cards/{place}", "no such version of a card", "没有该评分卡版本"))

    return check


@router.get(
    "/v1/operator/conduct-records",
    response_model=ConductRecordList,
    summary="Conduct on record in the region, the newest first",
    **operation(scopes.SCORES_READ, errors=(HolderNotFound, "request.invalid")),
)
async def list_conduct(
    principal: Reader,
    services: ServicesDep,
    holder_id: Annotated[str | None, Query(description="Only of this holder, `hld_…`", max_length=40)] = None,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
) -> Response:
    """Withdrawn ones too."""
    holder = None if holder_id is None else my.id_of("hld", holder_id, HolderNotFound)
    async with services.database.statement() as driver:
        rows = await repository.conduct_records(
            driver, prefix(principal.region), holder, my.place("cnd", cursor), limit + 1
        )
    return my.listed(rows, limit, record_view, my.by_id("cnd"))


@router.post(
    "/v1/operator/conduct-records",
    response_model=ConductRecordView,
    summary="Put a conduct on a holder's record",
    **operation(
        scopes.SCORES_WRITE,
        body=ConductInput,
        examples=[_CONDUCT],
        errors=(HolderNotFound, "request.idempotency_conflict"),
    ),
)
async def record_conduct(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Scores deduct what their card says, for as long as it says, as a dated reason that the holder sees."""
    raw, body = await my.body(request, _INPUT)
    holder_id = my.id_of("hld", body.holder_id, HolderNotFound)
    kinds = services.live.score_cards().shipped.kinds()
    return await _write(
        request,
        principal,
        services,
        raw,
        lambda session, actor: conduct.record(
            session, actor, kinds, holder_id, body.kind, body.happened_on, body.reason
        ),
    )


@router.post(
    "/v1/operator/conduct-records/{record_id}/withdrawal",
    response_model=ConductRecordView,
    summary="Withdraw a conduct from the record, once",
    **operation(
        scopes.SCORES_APPROVE,
        body=ConductWithdrawalInput,
        examples=[_REASON],
        errors=(ConductNotFound, ConductWithdrawn, "request.idempotency_conflict"),
    ),
)
async def withdraw_conduct(
    record_id: RecordId, request: Request, principal: Approver, services: ServicesDep
) -> Response:
    """From then on no score counts it; snapshots that did stay as they were."""
    raw, body = await my.body(request, _WITHDRAWAL)
    known = my.id_of("cnd", record_id, ConductNotFound)
    return await _write(
        request,
        principal,
        services,
        raw,
        lambda session, actor: conduct.withdraw(session, actor, known, body.reason),
    )


async def _write(
    request: Request,
    principal: Principal,
    services: "Services",
    raw: bytes,
    act: Callable[["AsyncSession", Actor], Awaitable[Any]],
) -> Response:
    clock = services.intake.clock

    async def decide(session: "AsyncSession") -> Any:
        actor = Actor(principal, clock(), address_of(request), all_know_at(clock, services.live.lead))
        return record_view(await act(session, actor))

    return await idempotency.write(request, principal, services, raw, decide)
