"""The doors by which residents sign in, stay signed in, and sign out."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter

from accounts import repository
from accounts.errors import Fault, HolderNotFound
from accounts.ids import parse_public_id, public_id
from app import metrics
from app.api.access import ServicesDep, caller
from app.api.http import address_of, json_response, operation, read_json
from app.auth import audit, people_repository, resident_repository, scopes
from app.auth.entering import PHONE, Entered, Proven, Wish
from app.auth.errors import (
    AgeUndeclared,
    BindingInvalid,
    HolderClosed,
    MethodOff,
    OfMinor,
    PhoneUnproven,
    RealNameNeeded,
    RefreshInvalid,
    SessionNotFound,
    SmsNeeded,
)
from app.auth.people import Proof
from app.auth.phone_codes import LIFETIME_S, RESEND_S
from app.auth.principal import Principal
from app.auth.resident_schemas import (
    ByAlipay,
    ByPhone,
    ByWeChat,
    ByWeChatPhone,
    EndedAnswer,
    MorePhone,
    MoreWeChat,
    PhoneCodeAnswer,
    PhoneCodeInput,
    PhoneNeededAnswer,
    RefreshInput,
    SessionAnswer,
    SessionList,
    SessionView,
    SignInInput,
    SignInMethodAnswer,
    SignInMethodInput,
    SignInMethodList,
    SignInMethodView,
)
from app.auth.residents import BINDING_S, Pass, session_of
from app.database import driver_of
from app.problems import RequestError
from dedup.person_key import IdentifierRefused, normalise
from integrations.errors import CodeRefused, PersonBlocked, PhoneRefused, ProviderBusy, ProviderFailed

if TYPE_CHECKING:
    from uuid import UUID

    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.neighbours.federation import Found
    from app.wiring import Services
    from integrations.sign_in import IdentityProvider

router = APIRouter(prefix="/v1/me", tags=["sign-in"])
MAX_BYTES = 16_384
Reader = Annotated[Principal, Depends(caller(scopes.ME_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.ME_WRITE))]
SessionId = Annotated[str, Path(description="`ses_…`", examples=["ses_01a1fc693a86700e9ae525ac545ac6cd"])]
_CODE: TypeAdapter[PhoneCodeInput] = TypeAdapter(PhoneCodeInput)
_SIGN_IN: TypeAdapter[SignInInput] = TypeAdapter(SignInInput)
_REFRESH: TypeAdapter[RefreshInput] = TypeAdapter(RefreshInput)
_MORE: TypeAdapter[SignInMethodInput] = TypeAdapter(SignInMethodInput)
_UNCACHED = {"Cache-Control": "no-store"}
_PROVIDERS = (MethodOff, CodeRefused, PersonBlocked, ProviderBusy, ProviderFailed)
_PEOPLE = (PhoneUnproven, RealNameNeeded, HolderClosed, OfMinor)
_CLOSING = ("request.rate_limited", "auth.unavailable", "storage.unavailable")


@router.post(
    "/phone-codes",
    response_model=PhoneCodeAnswer,
    summary="Send a one-time code to a phone",
    **operation(
        body=PhoneCodeInput,
        examples=[{"phone": "13900000001", "device_id": "8b1f0c"}],
        errors=(MethodOff, PhoneRefused, ProviderBusy, ProviderFailed, *_CLOSING),
    ),
)
async def send_phone_code(request: Request, services: ServicesDep) -> Response:
    """Counted by phone, device and address. A newer code ends the older one."""
    body = await read_json(request, _CODE, MAX_BYTES)
    phone = _phone(body.phone)
    sign_in = services.sign_in
    if sign_in.sms is None:
        raise MethodOff
    await sign_in.codes.send(sign_in.sms, phone, body.device_id, address_of(request))
    answer = PhoneCodeAnswer(expires_in=LIFETIME_S, resend_after=RESEND_S)
    return json_response(answer.model_dump(), headers=_UNCACHED)


@router.get(
    "/sign-ins",
    response_model=SignInMethodList,
    summary="Ways that lead to my account",
    **operation(scopes.ME_READ),
)
async def my_sign_ins(principal: Reader, services: ServicesDep) -> Response:
    """Kinds of identifiers, and when they were last proven; never what they are."""
    async with services.database.reading() as session:
        rows = await people_repository.sign_ins_of(await driver_of(session), own(principal))
    items = [SignInMethodView(scheme=row[0], proof=row[1], proven_at=row[2].isoformat()) for row in rows]
    return json_response(SignInMethodList(items=items).model_dump())


@router.post(
    "/sign-ins",
    response_model=SignInMethodAnswer,
    summary="Add a way to sign in",
    **operation(
        scopes.ME_WRITE,
        body=SignInMethodInput,
        examples=[
            {"method": "phone", "phone": "13900000001", "code": "246810"},
            {"method": "wechat", "code": "0b3G"},
        ],
        errors=(*_PROVIDERS, PhoneRefused, *_PEOPLE, "auth.unavailable"),
    ),
)
async def add_sign_in(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """A phone, WeChat or Alipay leads to my account too. What leads to another, empty account makes the two one."""
    body = (await read_json(request, _MORE, MAX_BYTES)).root
    holder = own(principal)
    await services.sign_in.codes.check_address(address_of(request))
    if isinstance(body, MorePhone):
        phone = _phone(body.phone)
        await services.sign_in.codes.check(phone, body.code)
        proven = Proven(phone=phone)
    elif isinstance(body, MoreWeChat):
        proven = Proven(await _identify(services, services.sign_in.wechat, body.code))
    else:
        proven = Proven(await _identify(services, services.sign_in.alipay, body.auth_code))
    wish = Wish(principal.region, new_owner=body.new_owner if isinstance(body, MorePhone) else False)
    now = services.intake.clock()
    given = None
    found = await _federated(services, proven)
    async with services.database.transaction() as session:
        entered = await services.sign_in.door.enter(session, proven, wish, now, holder)
        await _keep_federated(services, session, entered, proven, found)
        if entered.holder_id != holder or session_of(principal) is None:
            given = await services.sign_in.sessions.begin(session, entered.holder_id, body.method, "", now)
        await _write_down(request, services, session, entered, principal)
    if entered.absorbed is not None:
        services.sign_in.sessions.forget_holder(entered.absorbed, entered.absorbed_epoch)
    answer = SignInMethodAnswer(
        holder_id=public_id("hld", entered.holder_id),
        merged=entered.absorbed is not None,
        session=None if given is None else _answer(services, given, created=False),
    )
    return json_response(answer.model_dump(), headers=_UNCACHED)


@router.post(
    "/sessions/refresh",
    response_model=SessionAnswer,
    summary="Renew the tokens of a session",
    **operation(
        body=RefreshInput,
        examples=[{"refresh_token": "rft_AAAA"}],
        errors=(RefreshInvalid, HolderClosed, "storage.unavailable"),
    ),
)
async def refresh(request: Request, services: ServicesDep) -> Response:
    """A refresh token counts once. Where it comes again, the session ends: two have had it."""
    body = await read_json(request, _REFRESH, MAX_BYTES)
    now = services.intake.clock()
    async with services.database.transaction() as session:
        found = await services.sign_in.sessions.refresh(session, body.refresh_token, now)
    # Only now is it committed that the family has ended.
    if found.ended is not None:
        services.sign_in.sessions.forget_session(found.ended)
    if found.given is None:
        raise RefreshInvalid
    answer = _answer(services, found.given, created=False)
    return json_response(answer.model_dump(), headers=_UNCACHED)


@router.post(
    "/sessions",
    response_model=SessionAnswer | PhoneNeededAnswer,
    summary="Sign in",
    **operation(
        body=SignInInput,
        examples=[
            {"method": "phone", "phone": "13900000001", "code": "246810", "is_14_or_older": True},
            {"method": "wechat", "code": "0b3Gk0000AbCdE", "device": "iPhone 15"},
            {"method": "alipay", "auth_code": "4b203fe6c11548bcabd8da5bb087a83b"},
            {
                "method": "wechat_phone",
                "phone_code": "e31968a7f94cc5ee",
                "binding_token": "eyJhbGciOiJFZERTQSJ9.e30.c2ln",
            },
        ],
        errors=(*_PROVIDERS, PhoneRefused, BindingInvalid, AgeUndeclared, SmsNeeded, *_PEOPLE, *_CLOSING),
    ),
)
async def sign_in(request: Request, services: ServicesDep) -> Response:
    """A pair of tokens; or `phone_needed` where nobody has the provider's identity yet."""
    body = (await read_json(request, _SIGN_IN, MAX_BYTES)).root
    method = "wechat" if isinstance(body, ByWeChatPhone) else body.method
    try:
        await services.sign_in.codes.check_address(address_of(request))
        answer = await _sign_in(request, services, body, method)
    except Exception as error:
        metrics.SIGN_INS.labels(method, getattr(error, "code", "internal")).inc()
        raise
    metrics.SIGN_INS.labels(method, answer.status).inc()
    return json_response(answer.model_dump(), headers=_UNCACHED)


@router.get(
    "/sessions",
    response_model=SessionList,
    summary="My devices",
    **operation(scopes.ME_READ),
)
async def my_sessions(principal: Reader, services: ServicesDep) -> Response:
    """Sessions that can be renewed, the latest used first."""
    async with services.database.reading() as session:
        rows = await resident_repository.live_sessions(session, own(principal), services.intake.clock())
    current = session_of(principal)
    items = [
        SessionView(
            session_id=public_id("ses", row.id),
            method=row.method,
            device=row.device,
            created_at=row.created_at.isoformat(),
            last_used_at=row.last_used_at.isoformat(),
            expires_at=row.expires_at.isoformat(),
            current=row.id == current,
        )
        for row in rows
    ]
    return json_response(SessionList(items=items).model_dump())


@router.delete(
    "/sessions/current",
    response_model=EndedAnswer,
    summary="Sign out",
    **operation(scopes.ME_WRITE, errors=(SessionNotFound,)),
)
async def sign_out(principal: Writer, services: ServicesDep) -> Response:
    """Ends this device's session. Its access token stops counting within seconds."""
    return await _end(services, principal, session_of(principal))


@router.delete(
    "/sessions/{session_id}",
    response_model=EndedAnswer,
    summary="Sign out another device",
    **operation(scopes.ME_WRITE, errors=(SessionNotFound,)),
)
async def sign_out_device(session_id: SessionId, principal: Writer, services: ServicesDep) -> Response:
    """Ends one of my sessions."""
    return await _end(services, principal, parse_public_id("ses", session_id))


@router.delete(
    "/sessions",
    response_model=EndedAnswer,
    summary="Sign out everywhere",
    **operation(scopes.ME_WRITE, errors=(HolderNotFound,)),
)
async def sign_out_everywhere(principal: Writer, services: ServicesDep) -> Response:
    """Ends all my sessions. Within seconds no access token counts that was issued before, by whomever."""
    holder, now = own(principal), services.intake.clock()
    async with services.database.transaction() as session:
        await repository.lock_holders(await driver_of(session), [holder])
        ended, epoch = await services.sign_in.sessions.end_all(session, holder, now)
    services.sign_in.sessions.forget_holder(holder, epoch)
    return json_response({"ended": ended})


async def _sign_in(
    request: Request, services: "Services", body: ByPhone | ByWeChat | ByWeChatPhone | ByAlipay, method: str
) -> SessionAnswer | PhoneNeededAnswer:
    now = services.intake.clock()
    door, sessions = services.sign_in.door, services.sign_in.sessions
    proven = await _prove(services, body)
    wish = Wish(body.region or services.settings.resident_region, body.is_14_or_older, body.new_owner)
    found = await _federated(services, proven)
    async with services.database.transaction() as session:
        if proven.phone is None and not await door.is_known(session, proven):
            token = sessions.seal_binding(proven.provider, now)
            return PhoneNeededAnswer(binding_token=token, expires_in=BINDING_S)
        entered = await door.enter(session, proven, wish, now)
        await _keep_federated(services, session, entered, proven, found)
        given = await sessions.begin(session, entered.holder_id, method, body.device, now)
        await _write_down(request, services, session, entered, given.principal)
    return _answer(services, given, created=entered.created)


async def _prove(services: "Services", body: ByPhone | ByWeChat | ByWeChatPhone | ByAlipay) -> Proven:
    """Have the proof checked by whoever gave it: the SMS code, WeChat, Alipay."""
    sign_in = services.sign_in
    if isinstance(body, ByWeChat):
        return Proven(await _identify(services, sign_in.wechat, body.code))
    if isinstance(body, ByAlipay):
        return Proven(await _identify(services, sign_in.alipay, body.auth_code))
    now = services.intake.clock()
    bound = () if body.binding_token is None else sign_in.sessions.open_binding(body.binding_token, now)
    if isinstance(body, ByPhone):
        phone = _phone(body.phone)
        await sign_in.codes.check(phone, body.code)
        return Proven(bound, phone)
    if sign_in.wechat_phone is None:
        raise MethodOff
    return Proven(bound, _phone(await sign_in.wechat_phone.phone_number(body.phone_code)), Proof.WECHAT)


async def _federated(services: "Services", proven: Proven) -> "Found":
    """The federation's key of the phone, before the transaction: another deployment may have to be asked."""
    federation = services.neighbours.federation
    if federation is None or proven.phone is None:
        return {}
    identifier = (PHONE, proven.phone, "")
    tokens = [token for token, _ in services.sign_in.door.tokens([identifier])]
    return await federation.find([(tokens, identifier)])


async def _keep_federated(
    services: "Services", session: "AsyncSession", entered: Entered, proven: Proven, found: "Found"
) -> None:
    federation = services.neighbours.federation
    if found and federation is not None and proven.phone is not None:
        holders = [(entered.holder_id, (PHONE, proven.phone, ""))]
        await federation.keep(await driver_of(session), holders, found)


async def _identify(
    services: "Services", provider: "IdentityProvider | None", code: str
) -> tuple[tuple["UUID", str], ...]:
    if provider is None:
        raise MethodOff
    return services.sign_in.door.tokens((await provider.identify(code)).identifiers)


async def _write_down(
    request: Request, services: "Services", session: "AsyncSession", entered: Entered, principal: Principal
) -> None:
    for action, holder in entered.events:
        await audit.append(
            session,
            principal,
            services.intake.clock(),
            action,
            ("holder", public_id("hld", holder)),
            region=principal.region,
            address=address_of(request),
        )


async def _end(services: "Services", principal: Principal, session_id: "UUID | None") -> Response:
    if session_id is None:
        raise SessionNotFound
    async with services.database.transaction() as session:
        if not await services.sign_in.sessions.end(
            session, own(principal), session_id, services.intake.clock()
        ):
            raise SessionNotFound
    services.sign_in.sessions.forget_session(session_id)
    return json_response({"ended": 1})


def own(principal: Principal) -> "UUID":
    """The resident's holder."""
    if principal.holder_id is None:
        raise HolderNotFound
    return principal.holder_id


def _phone(text: str) -> str:
    try:
        return normalise("phone", text)
    except IdentifierRefused:
        raise RequestError("sign_in.phone_refused", Fault("/phone", "phone_invalid")) from None


def _answer(services: "Services", given: Pass, *, created: bool) -> SessionAnswer:
    holder = own(given.principal)
    return SessionAnswer(
        holder_id=public_id("hld", holder),
        created=created,
        session_id=public_id("ses", given.session_id),
        access_token=given.access_token,
        expires_in=services.settings.access_token_seconds,
        scope=" ".join(sorted(given.principal.scopes)),
        refresh_token=given.refresh_token,
        refresh_expires_at=given.refresh_expires_at.isoformat(),
    )
