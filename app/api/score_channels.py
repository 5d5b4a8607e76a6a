"""The doors of operators to the lawful channel by which scores are exported to a bank: two of them put it in force."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.banking import channels
from app.banking.desk_errors import (
    ChannelApprovedAlready,
    ChannelApproveOwn,
    ChannelExists,
    ChannelNotFound,
)
from app.banking.desk_models import ScoreChannel
from app.banking.desk_schemas import ScoreChannelInput, ScoreChannelList, ScoreChannelStep, ScoreChannelView
from app.banking.errors import BankUnknown
from app.banking.schemas import BANK_ID
from app.wiring import Services

router = APIRouter(prefix="/v1/operator/score-channels", tags=["operator banks"])
_INPUT: TypeAdapter[ScoreChannelInput] = TypeAdapter(ScoreChannelInput)
_STEP: TypeAdapter[ScoreChannelStep] = TypeAdapter(ScoreChannelStep)
_CONFLICT = "request.idempotency_conflict"
Reader = Annotated[Principal, Depends(caller(scopes.BANKS_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.BANKS_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.BANKS_APPROVE))]
ChannelId = Annotated[str, Path(description="`sch_…`", examples=["sch_01a1fc693a86700e9ae525ac545ac6cd"])]
_EXAMPLE = {
    "bank_id": BANK_ID,
    "name": "licensed personal credit agency",
    "basis": "service contract 2026-18 under the agency's licence",
}
_REASON = {"reason": "licence and contract seen"}
Step = Callable[..., Awaitable[ScoreChannel]]


@router.get(
    "",
    response_model=ScoreChannelList,
    summary="Channels of score exports to banks of the region, the newest first",
    **operation(scopes.BANKS_READ, errors=("request.invalid",)),
)
async def list_channels(
    principal: Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Proposed ones, those in force, and ended ones."""
    before = my.place("sch", cursor)
    async with services.database.reading() as session:
        rows = await channels.page(session, principal.region, before, limit + 1)
    return my.listed(rows, limit, _view, lambda row: public_id("sch", row.id))


@router.post(
    "",
    response_model=ScoreChannelView,
    summary="Propose the lawful channel by which scores are exported to a bank",
    **operation(
        scopes.BANKS_WRITE, body=ScoreChannelInput, examples=[_EXAMPLE], errors=(BankUnknown, _CONFLICT)
    ),
)
async def propose_channel(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """It counts once another operator approves it."""
    raw, wanted = await my.body(request, _INPUT)
    bank = my.id_of("org", wanted.bank_id, BankUnknown)

    async def act(session: AsyncSession) -> Any:
        what, now = (wanted.name, wanted.basis), services.intake.clock()
        return _view(await channels.propose(session, principal, bank, what, now, address_of(request)))

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "/{channel_id}/approval",
    response_model=ScoreChannelView,
    summary="Put a channel in force that another operator proposed",
    **operation(
        scopes.BANKS_APPROVE,
        body=ScoreChannelStep,
        examples=[_REASON],
        errors=(ChannelNotFound, ChannelApprovedAlready, ChannelApproveOwn, ChannelExists, _CONFLICT),
    ),
)
async def approve_channel(
    channel_id: ChannelId, request: Request, principal: Approver, services: ServicesDep
) -> Response:
    """From now on the bank may export scores of holders who agreed to it."""
    return await _step(channel_id, request, principal, services, channels.approve)


@router.post(
    "/{channel_id}/end",
    response_model=ScoreChannelView,
    summary="End a channel, at once",
    **operation(
        scopes.BANKS_WRITE,
        body=ScoreChannelStep,
        examples=[{"reason": "the contract is over"}],
        errors=(ChannelNotFound, ChannelApprovedAlready, _CONFLICT),
    ),
)
async def end_channel(
    channel_id: ChannelId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """No score is exported by it any more."""
    return await _step(channel_id, request, principal, services, channels.end)


async def _step(
    channel_id: str, request: Request, principal: Principal, services: Services, step: Step
) -> Response:
    raw, wanted = await my.body(request, _STEP)
    known = my.id_of("sch", channel_id, ChannelNotFound)

    async def act(session: AsyncSession) -> Any:
        now = services.intake.clock()
        return _view(await step(session, principal, known, wanted.reason, now, address_of(request)))

    return await idempotency.write(request, principal, services, raw, act)


def _view(row: ScoreChannel) -> dict[str, Any]:
    return ScoreChannelView(
        channel_id=public_id("sch", row.id),
        bank_id=public_id("org", row.bank_id),
        region=row.region,
        name=row.name,
        basis=row.basis,
        state=channels.state(row),
        proposed_at=row.proposed_at.isoformat(),
        approved_at=my.told(row.approved_at),
        ended_at=my.told(row.ended_at),
    ).model_dump()
