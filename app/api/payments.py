"""The doors of payments: what the provider tells, and what operators see of payments and differences."""

import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from accounts.ids import public_id
from app.api.access import ServicesDep, caller
from app.api.http import JSON, cursor_of, json_response, operation, read_body, read_json
from app.api.redeeming import RedemptionId, id_of
from app.auth import scopes
from app.auth.principal import Principal
from app.payments import queries
from points.payments.errors import (
    NotificationRefused,
    NotPayable,
    PaymentNotFound,
    PaymentRefused,
    PaymentsAway,
    PaymentsNotOffered,
)
from points.payments.models import PaymentState, Subject
from points.redemption_errors import RedemptionNotFound

router = APIRouter(tags=["payments"])
MAX_NOTIFICATION_BYTES = 65_536
MAX_INPUT_BYTES = 4_096
Payer = Annotated[Principal, Depends(caller(scopes.ME_WRITE))]
Reader = Annotated[Principal, Depends(caller(scopes.PAYMENTS_READ))]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]


class PaymentView(BaseModel):
    """A payment; who paid is the provider's to know."""

    payment_id: str = Field(description="`pay_…`")
    subject: Subject = Field(description="What was paid for")
    redemption_id: str | None = Field(description="Where it was a redemption")
    subject_id: str = Field(description="The id of what was paid for, in hexadecimal")
    region: str
    provider: str
    out_trade_no: str = Field(description="Our number at the provider")
    transaction_id: str | None = Field(description="The provider's number")
    amount_fen: int
    state: str
    created_at: datetime.datetime
    expires_at: datetime.datetime
    paid_fen: int | None
    paid_at: datetime.datetime | None
    refund_reason: str | None = Field(
        description="`order_over`, `amount_differs`, `elsewhere` or what the redemption was refunded for"
    )
    refunded_at: datetime.datetime | None
    trouble: str | None = Field(description="Why it is not settled, where it is not")


class PaymentList(BaseModel):
    """Payments of the region, the latest first."""

    items: list[PaymentView]
    next_cursor: str | None


class DifferenceView(BaseModel):
    """Something that the provider's bill of a day says otherwise."""

    difference_id: str = Field(description="`pdf_…`")
    provider: str
    day: datetime.date
    out_trade_no: str
    kind: str
    region: str
    ours_fen: int | None
    theirs_fen: int | None
    found_at: datetime.datetime


class DifferenceList(BaseModel):
    """Differences of the region, the latest first."""

    items: list[DifferenceView]
    next_cursor: str | None


class NotificationTaken(BaseModel):
    """What WeChat Pay takes for an end of its attempts."""

    code: str = "SUCCESS"


_NOTIFICATION = {
    "id": "EV-2018022511223320873",
    "create_time": "2026-11-21T11:35:59+08:00",
    "event_type": "TRANSACTION.SUCCESS",
    "resource_type": "encrypt-resource",
    "resource": {
        "original_type": "transaction",
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": "c2VhbGVk",
        "associated_data": "transaction",
        "nonce": "fdasflkja484",
    },
}


@router.post(
    "/v1/payments/wechat_pay/notification",
    response_model=NotificationTaken,
    summary="WeChat Pay tells of a payment or a refund",
    **operation(
        media={
            JSON: {
                "schema": {"type": "object", "description": "A notification of WeChat Pay API v3, sealed"},
                "example": _NOTIFICATION,
            }
        },
        errors=(NotificationRefused, PaymentNotFound, PaymentsNotOffered, "storage.unavailable"),
    ),
)
async def notification(request: Request, services: ServicesDep) -> Response:
    """Needs WeChat's signature instead of a token. Told again, it changes nothing more."""
    if services.payments is None:
        raise PaymentsNotOffered
    await services.payments.notified(request.headers, await read_body(request, MAX_NOTIFICATION_BYTES))
    return json_response({"code": "SUCCESS"})


class PaymentInput(BaseModel):
    """Who pays."""

    model_config = ConfigDict(extra="forbid")

    payer_openid: str = Field(
        description="The payer's openid in the mini-program; passed on to WeChat Pay and not kept",
        pattern=r"^[A-Za-z0-9_-]{1,128}$",
        examples=["oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"],
    )


class PaymentParameters(BaseModel):
    """What the mini-program hands to `wx.requestPayment`, as it is."""

    timeStamp: str  # noqa: N815 - WeChat's names
    nonceStr: str  # noqa: N815
    package: str
    signType: str  # noqa: N815
    paySign: str  # noqa: N815


class PaymentBegun(BaseModel):
    """A payment that the provider knows of."""

    redemption_id: str
    amount_fen: int
    expires_at: datetime.datetime
    wechat_pay: PaymentParameters


_PAYMENT: TypeAdapter[PaymentInput] = TypeAdapter(PaymentInput)


@router.post(
    "/v1/me/redemptions/{redemption_id}/payment",
    response_model=PaymentBegun,
    summary="Pay for an order that costs money beside points",
    **operation(
        scopes.ME_WRITE,
        body=PaymentInput,
        examples=[{"payer_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}],
        errors=(RedemptionNotFound, NotPayable, PaymentsNotOffered, PaymentRefused, PaymentsAway),
    ),
)
async def begin_payment(
    redemption_id: RedemptionId, request: Request, principal: Payer, services: ServicesDep
) -> Response:
    """One order has one payment: asked again, it is the same one, with parameters signed anew."""
    if principal.holder_id is None:
        raise RedemptionNotFound
    if services.payments is None:
        raise PaymentsNotOffered
    body = await read_json(request, _PAYMENT, MAX_INPUT_BYTES)
    known = id_of("red", redemption_id, RedemptionNotFound)
    payable, parameters = await services.payments.begin(
        Subject.REDEMPTION, principal.holder_id, known, body.payer_openid
    )
    return json_response(
        {
            "redemption_id": redemption_id,
            "amount_fen": payable.amount_fen,
            "expires_at": payable.expires_at,
            "wechat_pay": parameters,
        },
        headers={"Cache-Control": "no-store"},
    )


@router.get(
    "/v1/operator/payments",
    response_model=PaymentList,
    summary="Payments of the region",
    **operation(scopes.PAYMENTS_READ, errors=("request.invalid",)),
)
async def list_payments(
    principal: Reader,
    services: ServicesDep,
    state: PaymentState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """`refund_failed` is what a person has to look at."""
    before = cursor_of("pay", cursor)
    async with services.database.reading() as session:
        found = await queries.payments(session, principal.region, state, before, limit + 1)
    items = [
        PaymentView(
            payment_id=public_id("pay", each.id),
            redemption_id=public_id("red", each.subject_id) if each.subject == Subject.REDEMPTION else None,
            subject_id=each.subject_id.hex,
            **{name: getattr(each, name) for name in _SAME},
        ).model_dump(mode="json")
        for each in found[:limit]
    ]
    more = len(found) > limit
    return json_response({"items": items, "next_cursor": items[-1]["payment_id"] if more else None})


_SAME = [
    name for name in PaymentView.model_fields if name not in ("payment_id", "redemption_id", "subject_id")
]


@router.get(
    "/v1/operator/payments/differences",
    response_model=DifferenceList,
    summary="What the provider's bills say otherwise",
    **operation(scopes.PAYMENTS_READ, errors=("request.invalid",)),
)
async def list_differences(
    principal: Reader,
    services: ServicesDep,
    day: datetime.date | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Each day is compared once, from half past ten of the next. Payments that are not ours are the nation's to see."""
    before = cursor_of("pdf", cursor)
    async with services.database.reading() as session:
        found = await queries.differences(session, principal.region, day, before, limit + 1)
    items = [
        DifferenceView(
            difference_id=public_id("pdf", each.id),
            provider=each.provider,
            day=each.day,
            out_trade_no=each.out_trade_no,
            kind=each.kind,
            region=each.region,
            ours_fen=each.ours_fen,
            theirs_fen=each.theirs_fen,
            found_at=each.found_at,
        ).model_dump(mode="json")
        for each in found[:limit]
    ]
    more = len(found) > limit
    return json_response({"items": items, "next_cursor": items[-1]["difference_id"] if more else None})
