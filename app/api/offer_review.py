"""The doors through which operators review offers of their region's merchants, suspend them, and refund."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import repository as ledger
from accounts.ids import public_id
from accounts.models import AssetKind
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import address_of, json_response, operation, parse
from app.api.merchant import page_of_offers, viewed
from app.api.merchant_redemptions import refund_in
from app.api.redeeming import (
    OFFER_STEP,
    Cursor,
    IfMatch,
    Limit,
    OfferId,
    RedemptionId,
    id_of,
    read_raw,
    version_of,
)
from app.auth import audit, scopes
from app.auth.principal import Principal, prefix
from app.database import driver_of
from app.wiring import Services
from points import offer_repository, offers, redemption_repository
from points import redemption_errors as errors
from points.offer_schemas import OfferList, OfferStateWord, OfferStep, OfferView
from points.redemption_models import Offer
from points.redemption_schemas import MerchantRedemption, RefundInput
from points.redemption_states import Act, Step

router = APIRouter(prefix="/v1/operator", tags=["operator merchants"])
Reviewer = Annotated[Principal, Depends(caller(scopes.MERCHANTS_APPROVE))]
_STEP: TypeAdapter[OfferStep] = TypeAdapter(OfferStep)
_REFUND: TypeAdapter[RefundInput] = TypeAdapter(RefundInput)
Work = Callable[[AsyncSession, Services, Principal, Offer, str], Awaitable[Offer]]


@router.get(
    "/offers",
    response_model=OfferList,
    summary="Offers of the region's merchants, the newest first",
    **operation(scopes.MERCHANTS_APPROVE, errors=("request.invalid",)),
)
async def list_offers(
    principal: Reviewer,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[OfferStateWord | None, Query()] = None,
) -> Response:
    """`state=in_review` is what waits for a review."""
    return await page_of_offers(services, state, cursor, limit, region_prefix=prefix(principal.region))


@router.get(
    "/offers/{offer_id}",
    response_model=OfferView,
    summary="One offer",
    **operation(scopes.MERCHANTS_APPROVE, errors=(errors.OfferNotFound,)),
)
async def read_offer(offer_id: OfferId, principal: Reviewer, services: ServicesDep) -> Response:
    """As it was handed in."""
    async with services.database.reading() as session:
        found = await offer_repository.find_offer(session, id_of("ofr", offer_id, errors.OfferNotFound))
    if found is None or not principal.may_see_region(found[0].region):
        raise errors.OfferNotFound
    return json_response(viewed(found))


def _step(name: str, action: str, summary: str, told: str) -> Callable[[Work], Work]:
    """Register a step; each is written to the audit trail."""

    def register(work: Work) -> Work:
        async def door(
            offer_id: OfferId,
            request: Request,
            principal: Reviewer,
            services: ServicesDep,
            if_match: IfMatch = None,
        ) -> Response:
            raw = await read_raw(request)
            reason = parse(_STEP, raw).reason
            known, version = id_of("ofr", offer_id, errors.OfferNotFound), version_of(if_match)

            async def act(session: AsyncSession) -> Any:
                offer = await offer_repository.lock_offer(session, known)
                if offer is None or not principal.may_see_region(offer.region):
                    raise errors.OfferNotFound
                if offer.version != version:
                    raise errors.OfferEditedMeanwhile
                before = offer.state
                offer = await work(session, services, principal, offer, reason)
                await audit.append(
                    session,
                    principal,
                    services.redemptions.clock(),
                    action,
                    ("offer", public_id("ofr", offer.id)),
                    region=offer.region,
                    address=address_of(request),
                    reason=reason,
                    before={"state": before},
                    after={"state": offer.state},
                )
                found = await offer_repository.find_offer(session, offer.id)
                return None if found is None else viewed(found)

            return await idempotency.write(request, principal, services, raw, act)

        door.__name__, door.__doc__ = work.__name__, told
        router.add_api_route(
            f"/offers/{{offer_id}}/{name}",
            door,
            methods=["POST"],
            response_model=OfferView,
            summary=summary,
            **operation(
                scopes.MERCHANTS_APPROVE, body=OfferStep, examples=[{"reason": "checked"}], errors=OFFER_STEP
            ),
        )
        return work

    return register


@_step("approval", "offer.approved", "Approve an offer: it is live", "From here on only its state changes.")
async def approve_offer(
    session: AsyncSession, services: Services, principal: Principal, offer: Offer, reason: str
) -> Offer:
    """Live, with the assets that it moves."""
    points = (AssetKind.POINTS, 0, 0, offer.programme)
    money = (AssetKind.MONEY, 0, 0, offer.region)
    known = await ledger.know_assets(await driver_of(session), [points, money])
    return await offers.approve(
        session,
        offer,
        principal.client_id,
        (known[points], known[money]),
        reason,
        services.redemptions.clock(),
    )


@_step(
    "rejection", "offer.rejected", "Send an offer back", "It is a draft again, and the merchant reads why."
)
async def reject_offer(
    session: AsyncSession,
    services: Services,
    principal: Principal,  # noqa: ARG001 - the same for all steps
    offer: Offer,
    reason: str,
) -> Offer:
    """A draft again."""
    return await offers.send_back(session, offer, reason, services.redemptions.clock())


@_step("suspension", "offer.suspended", "Pause an offer", "Only an operator resumes it.")
async def suspend_offer(
    session: AsyncSession,
    services: Services,
    principal: Principal,  # noqa: ARG001 - the same for all steps
    offer: Offer,
    reason: str,  # noqa: ARG001 - it is in the audit trail
) -> Offer:
    """Paused by the operator."""
    return await offers.pause(session, offer, offers.BY_OPERATOR, services.redemptions.clock())


@_step("resumption", "offer.resumed", "Resume a paused offer", "Whoever paused it.")
async def resume_suspended(
    session: AsyncSession,
    services: Services,
    principal: Principal,  # noqa: ARG001 - the same for all steps
    offer: Offer,
    reason: str,  # noqa: ARG001 - it is in the audit trail
) -> Offer:
    """Live again."""
    return await offers.resume(session, offer, offers.BY_OPERATOR, services.redemptions.clock())


@router.post(
    "/redemptions/{redemption_id}/refund",
    response_model=MerchantRedemption,
    summary="Give the points of a redemption back",
    **operation(
        scopes.MERCHANTS_APPROVE,
        body=RefundInput,
        examples=[{"reason": "the shop closed"}],
        errors=(errors.RedemptionNotFound, errors.RedemptionWrongState, "request.idempotency_conflict"),
    ),
)
async def refund_redemption(
    redemption_id: RedemptionId, request: Request, principal: Reviewer, services: ServicesDep
) -> Response:
    """Of an offer of the region. What the programme owed for it is owed no more."""
    raw = await read_raw(request)
    body = parse(_REFUND, raw)
    known = id_of("red", redemption_id, errors.RedemptionNotFound)

    async def act(session: AsyncSession) -> Any:
        found = await redemption_repository.find(await driver_of(session), known)
        if found is None or found.terms is None or not principal.may_see_region(found.terms.region):
            raise errors.RedemptionNotFound
        step = Step(Act.REFUND, known)
        return await refund_in(session, services, principal, step, body.reason, address_of(request))

    return await idempotency.write(request, principal, services, raw, act)
