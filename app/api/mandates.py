"""归集授权: applicants offer terms, residents give mandates and withdraw them, applicants see totals."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import consents, mandated, mandates
from accounts.agreement_errors import (
    AccountClosed,
    MandateEnded,
    MandateNotFound,
    MandateOverlaps,
    TermsExist,
    TermsNotOffered,
)
from accounts.agreement_schemas import (
    AgreementAnswer,
    MandateAnswer,
    MandateInput,
    MandateList,
    MandateTermsInput,
    MandateTotalList,
    MandateTotalView,
    MandateView,
    TermsList,
    TermsView,
)
from accounts.errors import Fault, HolderNotFound
from accounts.ids import public_id
from accounts.quantities import grams
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import operation
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.problems import RequestError

router = APIRouter(tags=["mandates"])
_TERMS: TypeAdapter[MandateTermsInput] = TypeAdapter(MandateTermsInput)
_MANDATE: TypeAdapter[MandateInput] = TypeAdapter(MandateInput)
_TERMS_EXAMPLE = {
    "version": "2026-1",
    "holder_percent": 70,
    "text_zh": "减排量由我方统一申请签发,收益的70%归您本人。",
    "text_en": "We have the reductions issued together; 70 % of the proceeds are yours.",
}
Applicant = Annotated[Principal, Depends(caller(scopes.MANDATES_WRITE))]
MandateId = Annotated[str, Path(description="`mdt_…`", examples=["mdt_01a1fc693a86700e9ae525ac545ac6cd"])]
LATEST_YEAR = 9000


@router.get(
    "/v1/mandate-terms",
    response_model=TermsList,
    summary="Terms on which applicants take mandates",
    **operation(errors=("request.invalid",)),
)
async def list_terms(
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: my.Cursor = None,
) -> Response:
    """All versions, the newest first. A mandate can be given on those that are `offered`."""
    before = my.place("mtm", cursor)
    async with services.database.reading() as session:
        rows = await mandates.page_of_terms(await driver_of(session), before, limit + 1)
    return my.listed(rows, limit, _terms, my.by_id("mtm"))


@router.post(
    "/v1/mandate-terms",
    response_model=TermsView,
    summary="Offer terms for mandates to my organisation",
    **operation(
        scopes.MANDATES_WRITE,
        body=MandateTermsInput,
        examples=[_TERMS_EXAMPLE],
        errors=(TermsExist, "request.idempotency_conflict"),
    ),
)
async def publish_terms(request: Request, principal: Applicant, services: ServicesDep) -> Response:
    """In place of the version before. Mandates that were given keep the terms they were given on."""
    raw, wanted = await my.body(request, _TERMS)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        terms = mandates.NewTerms(wanted.version, wanted.holder_percent, wanted.text_zh, wanted.text_en)
        await mandates.publish_terms(driver, principal.organisation_id, terms, services.intake.clock())
        return _terms((await mandates.page_of_terms(driver, None, 1))[0])

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/mandate-terms/totals",
    response_model=MandateTotalList,
    summary="How much is under the mandates given to my organisation",
    **operation(scopes.MANDATES_WRITE, errors=("request.invalid",)),
)
async def read_totals(
    principal: Applicant, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """By version of the terms, counted every hour; nothing of single holders, and nothing below 10 of them."""
    before = my.place("mtm", cursor)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows = await mandated.totals(driver, principal.organisation_id, before, limit + 1)
    return my.listed(rows, limit, _total, my.by_id("mtm", "terms_id"))


@router.get(
    "/v1/me/mandates",
    response_model=MandateList,
    summary="My mandates, the newest first",
    **operation(scopes.ME_READ, errors=(HolderNotFound, "request.invalid")),
)
async def my_mandates(
    principal: my.Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Who may or might issue my reductions, on which terms, from when to when."""
    before = my.place("mdt", cursor)
    async with services.database.reading() as session:
        rows = await mandates.page(await driver_of(session), my.own(principal), before, limit + 1)
    return my.listed(rows, limit, _view, my.by_id("mdt"))


@router.post(
    "/v1/me/mandates",
    response_model=MandateAnswer,
    summary="Let an applicant issue my reductions",
    **operation(
        scopes.ME_WRITE,
        body=MandateInput,
        examples=[{"terms_id": "mtm_01a1fc693a86700e9ae525ac545ac6cd"}],
        errors=(TermsNotOffered, MandateOverlaps, AccountClosed, "request.idempotency_conflict"),
    ),
)
async def give_mandate(request: Request, principal: my.Writer, services: ServicesDep) -> Response:
    """For what is booked from now, or from a later time on. One applicant at a time: what is issued is issued once."""
    raw, wanted = await my.body(request, _MANDATE)
    holder = my.own(principal)
    terms_id = my.id_of("mtm", wanted.terms_id, TermsNotOffered)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await consents.lock_active(driver, holder)
        now = services.intake.clock()
        begin, end = wanted.valid_from, wanted.valid_until
        if any(each is not None and each.year > LATEST_YEAR for each in (begin, end)):
            raise RequestError("request.invalid", Fault("/valid_from", "too far ahead", "时间过远"))
        if end is not None and end <= max(now, begin or now):
            raise RequestError(
                "request.invalid", Fault("/valid_until", "must lie after its beginning", "须晚于起始时间")
            )
        mandate = await mandates.grant(driver, my.signer(services, now), holder, terms_id, (begin, end), now)
        return {"mandate_id": public_id("mdt", mandate)}

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/v1/me/mandates/{mandate_id}/withdrawal",
    response_model=AgreementAnswer,
    summary="Withdraw a mandate for all that is not yet booked",
    **operation(
        scopes.ME_WRITE,
        errors=(MandateNotFound, MandateEnded, AccountClosed, "request.idempotency_conflict"),
    ),
)
async def withdraw_mandate(
    mandate_id: MandateId, request: Request, principal: my.Writer, services: ServicesDep
) -> Response:
    """What is booked from now on is nobody's to issue. What was booked under the mandate stays under its terms."""
    holder, wanted = my.own(principal), my.id_of("mdt", mandate_id, MandateNotFound)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await consents.lock_active(driver, holder)
        now = services.intake.clock()
        receipt = await mandates.withdraw(driver, my.signer(services, now), holder, wanted, now)
        return {"receipt_id": public_id("rcp", receipt)}

    return await idempotency.write(request, principal, services, b"", act)


def _terms(row: Any) -> dict[str, Any]:
    return TermsView(
        terms_id=public_id("mtm", row["id"]),
        applicant_id=public_id("org", row["applicant_id"]),
        applicant_name=row["applicant_name"],
        version=row["version"],
        holder_percent=row["holder_percent"],
        text={"zh": row["text_zh"], "en": row["text_en"]},
        sha256=row["content_hash"],
        published_at=row["published_at"].isoformat(),
        offered=row["offered"],
    ).model_dump()


def _total(row: Any) -> dict[str, Any]:
    enough = row["holders"] is not None and row["holders"] >= mandated.LEAST_HOLDERS
    return MandateTotalView(
        terms_id=public_id("mtm", row["terms_id"]),
        version=row["version"],
        holder_percent=row["holder_percent"],
        counted_at=my.told(row["counted_at"]),
        holders=row["holders"] if enough else None,
        co2e_g=grams(row["net_mg"]) if enough else None,
    ).model_dump()


def _view(row: Any) -> dict[str, Any]:
    ended = row["withdrawal_receipt_id"]
    return MandateView(
        mandate_id=public_id("mdt", row["id"]),
        applicant_id=public_id("org", row["applicant_id"]),
        applicant_name=row["applicant_name"],
        terms_id=public_id("mtm", row["terms_id"]),
        terms_version=row["version"],
        holder_percent=row["holder_percent"],
        granted_at=row["granted_at"].isoformat(),
        valid_from=row["valid_from"].isoformat(),
        valid_until=my.told(row["valid_until"]),
        withdrawn_at=my.told(row["withdrawn_at"]),
        receipt_id=public_id("rcp", row["receipt_id"]),
        withdrawal_receipt_id=None if ended is None else public_id("rcp", ended),
    ).model_dump()
