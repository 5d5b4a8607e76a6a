"""Human review of what banks were answered: asked for by the holder, answered by an operator, seen by all three."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.agreement_errors import AccountClosed
from accounts.consents import lock_active
from accounts.errors import HolderNotFound
from accounts.ids import public_id
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.banking import reviews
from app.banking.desk_errors import AnswerNotFound, ReviewExists, ReviewNotFound, ReviewOver, TooManyReviews
from app.banking.desk_models import ReviewState, ScoreReview
from app.banking.desk_schemas import (
    ACCESS_ID,
    BankReviewList,
    BankReviewView,
    OperatorReviewList,
    OperatorReviewView,
    ScoreReviewAnswer,
    ScoreReviewInput,
    ScoreReviewList,
    ScoreReviewView,
)
from app.database import driver_of
from app.my_data import access
from app.wiring import Services

router = APIRouter(tags=["score reviews"])
_INPUT: TypeAdapter[ScoreReviewInput] = TypeAdapter(ScoreReviewInput)
_ANSWER: TypeAdapter[ScoreReviewAnswer] = TypeAdapter(ScoreReviewAnswer)
_CONFLICT = "request.idempotency_conflict"
Reader = Annotated[Principal, Depends(caller(scopes.REVIEW_READ))]
Deciding = Annotated[Principal, Depends(caller(scopes.REVIEW_DECIDE))]
Bank = Annotated[Principal, Depends(caller(scopes.BANK_GRANTS_READ))]
Owner = Annotated[Principal, Depends(caller(scopes.ENTERPRISE_BANK_GRANTS))]
_ASKING = (AnswerNotFound, ReviewExists, TooManyReviews, AccountClosed, _CONFLICT)
ReviewId = Annotated[str, Path(description="`srv_…`", examples=["srv_01a1fc693a86700e9ae525ac545ac6cd"])]


@router.get(
    "/v1/me/score-reviews",
    response_model=ScoreReviewList,
    summary="Reviews that I asked for, the newest first",
    **operation(scopes.ME_READ, errors=(HolderNotFound, "request.invalid")),
)
async def my_score_reviews(
    principal: my.Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """With what the operator answered."""
    return await _listed(principal, services, limit, cursor)


@router.post(
    "/v1/me/score-reviews",
    response_model=ScoreReviewView,
    summary="Have a person look at what a bank was answered about me",
    **operation(
        scopes.ME_WRITE,
        body=ScoreReviewInput,
        examples=[{"access_id": ACCESS_ID, "explanation": "the metro rides of October are missing"}],
        errors=_ASKING,
    ),
)
async def ask_for_review(request: Request, principal: my.Writer, services: ServicesDep) -> Response:
    """Of one answer in the access log, once: a tier, a score, a label, a report, a quote."""
    return await _ask(request, principal, services)


@router.get(
    "/v1/enterprises/score-reviews",
    response_model=ScoreReviewList,
    summary="Reviews that my enterprise asked for, the newest first",
    **operation(scopes.ENTERPRISE_BANK_GRANTS, errors=("request.invalid",)),
)
async def enterprise_score_reviews(
    principal: Owner, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """With what the operator answered. For owners alone."""
    return await _listed(principal, services, limit, cursor)


@router.post(
    "/v1/enterprises/score-reviews",
    response_model=ScoreReviewView,
    summary="Have a person look at what a bank was answered about my enterprise",
    **operation(
        scopes.ENTERPRISE_BANK_GRANTS,
        body=ScoreReviewInput,
        examples=[{"access_id": ACCESS_ID, "explanation": "the output of 2025 was corrected in March"}],
        errors=_ASKING,
    ),
)
async def ask_for_enterprise_review(request: Request, principal: Owner, services: ServicesDep) -> Response:
    """Of one answer in the enterprise's access log, once. For owners alone."""
    return await _ask(request, principal, services)


async def _listed(principal: Principal, services: Services, limit: int, cursor: str | None) -> Response:
    before = my.place("srv", cursor)
    async with services.database.reading() as session:
        rows = await reviews.page_of_holder(session, my.own(principal), before, limit + 1)
    return my.listed(rows, limit, _view, lambda row: public_id("srv", row.id))


async def _ask(request: Request, principal: Principal, services: Services) -> Response:
    raw, wanted = await my.body(request, _INPUT)
    holder, access_id = my.own(principal), my.id_of("acc", wanted.access_id, AnswerNotFound)

    async def act(session: AsyncSession) -> Any:
        await lock_active(await driver_of(session), holder)
        now = services.intake.clock()
        return _view(await reviews.open_review(session, holder, access_id, wanted.explanation, now))

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/operator/score-reviews",
    response_model=OperatorReviewList,
    summary="Reviews that holders of the region asked for, the newest first",
    **operation(scopes.REVIEW_READ, errors=("request.invalid",)),
)
async def list_score_reviews(
    principal: Reader,
    services: ServicesDep,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
    waiting: Annotated[bool, Query(description="Only those that nobody has answered")] = True,
) -> Response:
    """Each holder's access log tells that it was read."""
    before = my.place("srv", cursor)
    async with services.database.transaction() as session:
        rows = await reviews.page_of_region(session, principal.region, before, limit + 1, waiting=waiting)
        read = [(row.holder_id, public_id("srv", row.id)) for row in rows[:limit]]
        await access.record(session, principal, "score_review", read, services.intake.clock())
    return my.listed(rows, limit, _operator_view, lambda row: public_id("srv", row.id))


@router.post(
    "/v1/operator/score-reviews/{review_id}/answer",
    response_model=OperatorReviewView,
    summary="Answer a review, once",
    **operation(
        scopes.REVIEW_DECIDE,
        body=ScoreReviewAnswer,
        examples=[{"decision": "upheld", "answer": "the rides were reported by another person's card"}],
        errors=(ReviewNotFound, ReviewOver, _CONFLICT),
    ),
)
async def answer_review(
    review_id: ReviewId, request: Request, principal: Deciding, services: ServicesDep
) -> Response:
    """What is wrong is put right by its own door (a dispute, a correction, a reversal); here it is answered."""
    raw, wanted = await my.body(request, _ANSWER)
    known = my.id_of("srv", review_id, ReviewNotFound)

    async def act(session: AsyncSession) -> Any:
        decision = (ReviewState(wanted.decision), wanted.answer)
        now = services.intake.clock()
        return _operator_view(
            await reviews.answer(session, principal, known, decision, now, address_of(request))
        )

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/bank/score-reviews",
    response_model=BankReviewList,
    summary="Reviews of what this bank was answered, the newest first",
    **operation(scopes.BANK_GRANTS_READ, errors=("request.invalid",)),
)
async def bank_score_reviews(
    principal: Bank, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Of customers who grant it anything now."""
    before = my.place("srv", cursor)
    now = services.intake.clock()
    async with services.database.reading() as session:
        rows = await reviews.page_of_bank(session, principal.organisation_id, before, limit + 1, now)
    return my.listed(rows, limit, _bank_view, lambda row: public_id("srv", row[0].id))


def _view(row: ScoreReview) -> dict[str, Any]:
    return ScoreReviewView(
        review_id=public_id("srv", row.id),
        access_id=public_id("acc", row.access_id),
        bank_id=public_id("org", row.bank_id),
        bank_name=row.bank_name,
        what=row.what,
        explanation=row.explanation,
        state=row.state,
        opened_at=row.opened_at.isoformat(),
        ended_at=my.told(row.ended_at),
        answer=row.answer,
    ).model_dump()


def _operator_view(row: ScoreReview) -> dict[str, Any]:
    return _view(row) | {"holder_id": public_id("hld", row.holder_id), "region": row.region}


def _bank_view(row: tuple[ScoreReview, UUID]) -> dict[str, Any]:
    review, reference = row
    return BankReviewView(
        review_id=public_id("srv", review.id),
        reference=public_id("cus", reference),
        what=review.what,
        state=review.state,
        opened_at=review.opened_at.isoformat(),
        ended_at=my.told(review.ended_at),
        answer=review.answer,
    ).model_dump()
