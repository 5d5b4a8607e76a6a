"""Consents of residents: the texts, what is agreed, receipts that prove it."""

import base64
import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import consents, receipts
from accounts.agreement_errors import AccountClosed, ReceiptNotFound, SourceUnknown, TextUnknown
from accounts.agreement_schemas import (
    SOURCE_ID,
    AgreementAnswer,
    ConsentGrantInput,
    ConsentList,
    ConsentTextList,
    ConsentView,
    OwnWithdrawalAnswer,
    OwnWithdrawalInput,
    ReceiptList,
    ReceiptView,
)
from accounts.consent_texts import APART
from accounts.consents import Wish
from accounts.errors import HolderNotFound
from accounts.ids import public_id
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import json_response, operation
from app.api.oauth import Jwks
from app.auth import repository as auth
from app.auth import scopes
from app.auth.keys import jwk_of
from app.auth.principal import Principal
from app.database import driver_of
from app.wiring import Services
from dedup.periods import LOCAL

router = APIRouter(tags=["consents"])
_GRANT: TypeAdapter[ConsentGrantInput] = TypeAdapter(ConsentGrantInput)
_WITHDRAWAL: TypeAdapter[OwnWithdrawalInput] = TypeAdapter(OwnWithdrawalInput)
LEAST_YEAR, MOST_YEAR = 1970, 9000
_WISH = {"scene_group": "trip", "text_version": "2026-11"}
_EXAMPLE = {"source_id": SOURCE_ID, "consents": [_WISH, _WISH | {"scene_group": "movement"}]}
ReceiptId = Annotated[str, Path(description="`rcp_…`", examples=["rcp_01a1fc693a86700e9ae525ac545ac6cd"])]

Owner = Annotated[Principal, Depends(caller(scopes.ENTERPRISE_BANK_GRANTS))]


def scene_groups(services: Services) -> frozenset[str]:
    """All groups that can be consented to."""
    scenes = services.preparer.rules.catalogue.scenes()
    return frozenset({scene.group for scene in scenes.values()}) | set(APART)


@router.get(
    "/v1/consent-texts",
    response_model=ConsentTextList,
    summary="The texts that people consent to, all versions",
    **operation(errors=("request.invalid",)),
)
async def list_consent_texts(
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: my.Cursor = None,
) -> Response:
    """Chinese and English, each fixed by its hash. A text never changes: a new wording is a new version."""
    today = services.intake.clock().astimezone(LOCAL).date()
    texts = services.consent_texts
    found = list(texts.texts)
    start = 0
    if cursor is not None:
        places = [index for index, text in enumerate(found) if text.content_hash == cursor]
        if not places:
            raise my.wrong_cursor()
        start = places[0] + 1
    return my.listed(
        found[start : start + limit + 1],
        limit,
        lambda text: {
            "covers": text.covers,
            "version": text.version,
            "first_day": text.first_day.isoformat(),
            "offered": texts.offered(text.covers, today) is text,
            "title": text.title.model_dump(),
            "text": text.text.model_dump(),
            "sha256": text.content_hash,
        },
        lambda text: str(text.content_hash),
    )


@router.get("/v1/consent-texts/keys", response_model=Jwks, summary="Keys that verify receipts, old ones too")
async def receipt_keys(services: ServicesDep) -> Response:
    """Every key that ever signed: a receipt is proof for as long as it is kept."""
    async with services.database.reading() as session:
        keys = await auth.public_keys(session)
    return json_response({"keys": [jwk_of(kid, public) for kid, public in keys]})


@router.get(
    "/v1/me/consents",
    response_model=ConsentList,
    summary="My consents, live and withdrawn",
    **operation(scopes.ME_READ, errors=(HolderNotFound, "request.invalid")),
)
async def my_consents(
    principal: my.Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """By source and scene group, with the version of the text that was agreed to."""
    async with services.database.reading() as session:
        rows = await consents.page(await driver_of(session), my.own(principal), _place(cursor), limit + 1)
    return my.listed(rows, limit, _view, _cursor)


@router.post(
    "/v1/me/consents",
    response_model=AgreementAnswer,
    summary="Consent to a source's reports of scene groups",
    **operation(
        scopes.ME_WRITE,
        body=ConsentGrantInput,
        examples=[_EXAMPLE],
        errors=(SourceUnknown, TextUnknown, AccountClosed, "request.idempotency_conflict"),
    ),
)
async def grant_consents(request: Request, principal: my.Writer, services: ServicesDep) -> Response:
    """From now on. Movement data and aggregation are consents of their own. What is live already stays as it is."""
    raw, wanted = await my.body(request, _GRANT)
    holder, source_id = my.own(principal), my.source_id_of(wanted.source_id)
    wishes = [Wish(each.scene_group, each.text_version) for each in wanted.consents]

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        name = await consents.check_source(driver, source_id)
        await consents.lock_active(driver, holder)
        now = services.intake.clock()
        texts = consents.checked(services.consent_texts, scene_groups(services), wishes, now)
        receipt = await consents.grant(
            driver,
            my.signer(services, now),
            holder,
            (source_id, name),
            list(zip(wishes, texts, strict=True)),
            now,
        )
        return {"receipt_id": None if receipt is None else public_id("rcp", receipt)}

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/v1/me/consents/withdrawal",
    response_model=OwnWithdrawalAnswer,
    summary="Withdraw consents of mine",
    **operation(
        scopes.ME_WRITE,
        body=OwnWithdrawalInput,
        examples=[{"source_id": SOURCE_ID, "scene_group": "movement"}],
        errors=(SourceUnknown, AccountClosed, "request.idempotency_conflict"),
    ),
)
async def withdraw_my_consents(request: Request, principal: my.Writer, services: ServicesDep) -> Response:
    """Credit stops at once: a withdrawal takes the same lock as a credit. What was booked before stays."""
    raw, wanted = await my.body(request, _WITHDRAWAL)
    holder = my.own(principal)
    source = None if wanted.source_id is None else my.source_id_of(wanted.source_id)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        await consents.lock_active(driver, holder)
        now = services.intake.clock()
        ended, receipt = await consents.withdraw(
            driver, my.signer(services, now), holder, source, wanted.scene_group, now
        )
        return {"withdrawn": ended, "receipt_id": None if receipt is None else public_id("rcp", receipt)}

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/v1/me/receipts",
    response_model=ReceiptList,
    summary="Receipts of what I agreed to and withdrew, the newest first",
    **operation(scopes.ME_READ, errors=(HolderNotFound, "request.invalid")),
)
async def my_receipts(
    principal: my.Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Each is signed by the service, so that it proves itself."""
    return await _receipts(principal, services, limit, cursor)


@router.get(
    "/v1/enterprises/receipts",
    response_model=ReceiptList,
    summary="Receipts of what my enterprise agreed to and withdrew, the newest first",
    **operation(scopes.ENTERPRISE_BANK_GRANTS, errors=("request.invalid",)),
)
async def enterprise_receipts(
    principal: Owner, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Of what it lets banks see. Each is signed by the service. For owners alone."""
    return await _receipts(principal, services, limit, cursor)


async def _receipts(principal: Principal, services: Services, limit: int, cursor: str | None) -> Response:
    async with services.database.reading() as session:
        before = my.place("rcp", cursor)
        rows = await receipts.page(await driver_of(session), my.own(principal), before, limit + 1)
    return my.listed(rows, limit, _receipt, my.by_id("rcp"))


@router.get(
    "/v1/me/receipts/{receipt_id}",
    response_model=ReceiptView,
    summary="One receipt",
    **operation(scopes.ME_READ, errors=(ReceiptNotFound,)),
)
async def my_receipt(receipt_id: ReceiptId, principal: my.Reader, services: ServicesDep) -> Response:
    """What was agreed, when, and by which text; signed."""
    return await _one_receipt(receipt_id, principal, services)


@router.get(
    "/v1/enterprises/receipts/{receipt_id}",
    response_model=ReceiptView,
    summary="One receipt of my enterprise",
    **operation(scopes.ENTERPRISE_BANK_GRANTS, errors=(ReceiptNotFound,)),
)
async def enterprise_receipt(receipt_id: ReceiptId, principal: Owner, services: ServicesDep) -> Response:
    """What was agreed, when, and by which text; signed. For owners alone."""
    return await _one_receipt(receipt_id, principal, services)


async def _one_receipt(receipt_id: str, principal: Principal, services: Services) -> Response:
    wanted = my.id_of("rcp", receipt_id, ReceiptNotFound)
    async with services.database.reading() as session:
        row = await receipts.find(await driver_of(session), my.own(principal), wanted)
    if row is None:
        raise ReceiptNotFound
    return json_response(_receipt(row))


def _receipt(row: Any) -> dict[str, Any]:
    return ReceiptView(
        receipt_id=public_id("rcp", row["id"]),
        kind=row["kind"],
        issued_at=row["issued_at"].isoformat(),
        signed=row["signed"],
    ).model_dump()


def _view(row: Any) -> dict[str, Any]:
    return ConsentView(
        source_id=public_id("org", row["source_id"]),
        source_name=row["source_name"],
        scene_group=row["scene_group"],
        text_version=row["text_version"],
        granted_at=row["granted_at"].isoformat(),
        withdrawn_at=my.told(row["withdrawn_at"]),
        receipt_id=row["receipt_id"],
    ).model_dump()


def _cursor(row: Any) -> str:
    text = f"{row['source_id'].hex}.{row['scene_group']}.{row['granted_at'].isoformat()}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(cursor: str | None) -> consents.Place | None:
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        source, group, granted_at = text.split(".", 2)
        found = UUID(hex=source), group, datetime.datetime.fromisoformat(granted_at)
    except ValueError:
        raise my.wrong_cursor() from None
    if found[2].tzinfo is None or not LEAST_YEAR < found[2].year < MOST_YEAR or not group.isprintable():
        raise my.wrong_cursor()
    return found
