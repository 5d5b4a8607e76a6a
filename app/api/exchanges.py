"""The doors of operators to exchanges and registries: stage, approve, look at what differs, export."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts.ids import public_id
from accounts.registry.errors import AccountFrozen, AccountNotFound
from accounts.units.errors import InsufficientUnits
from app.api import idempotency, my
from app.api.access import ServicesDep, caller
from app.api.http import address_of, json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.exchanges import cad_trust, desk, errors, repository
from app.exchanges.models import ExchangeInstruction, InstructionState
from app.exchanges.schemas import (
    ACCOUNT_ID,
    CadTrustList,
    CadTrustRecord,
    ExchangeDifferenceList,
    ExchangeDifferenceView,
    ExchangeList,
    ExchangeOrderInput,
    ExchangeStep,
    ExchangeView,
    InstructionList,
    InstructionView,
    StateWord,
    instruction_view,
)
from app.programmes.errors import OutOfRegion
from app.wiring import Services

router = APIRouter(prefix="/v1/operator", tags=["operator exchanges"])
Reader = Annotated[Principal, Depends(caller(scopes.EXCHANGES_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.EXCHANGES_WRITE))]
Approver = Annotated[Principal, Depends(caller(scopes.EXCHANGES_APPROVE))]
InstructionId = Annotated[
    str, Path(description="`exi_…`", examples=["exi_01a1fc693a86700e9ae525ac545ac6cd"], max_length=40)
]
Number = Annotated[
    str | None,
    Query(max_length=19, pattern=r"^[1-9][0-9]{0,17}$", description="`next_cursor` of the page before"),
]
_INPUT: TypeAdapter[ExchangeOrderInput] = TypeAdapter(ExchangeOrderInput)
_STEP: TypeAdapter[ExchangeStep] = TypeAdapter(ExchangeStep)
_CONFLICT = "request.idempotency_conflict"
_ORDER = {"order": {"exchange": "cbgex", "kind": "open_account", "account_id": ACCOUNT_ID}}
Step = Callable[[AsyncSession, desk.Actor, ExchangeInstruction, str], Awaitable[ExchangeInstruction]]


@router.get(
    "/exchanges",
    response_model=ExchangeList,
    summary="Exchanges and registries that are connected, and how far their statements are compared",
    **operation(scopes.EXCHANGES_READ),
)
async def list_exchanges(principal: Reader, services: ServicesDep) -> Response:  # noqa: ARG001 - who may is asked
    """They are connected by a command on a machine of the deployment."""
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows, compared = await repository.connections(driver), await repository.last_statements(driver)
    items = [
        ExchangeView(
            exchange=row["code"],
            name=row["name"],
            region=row["region"],
            way=row["way"],
            compared_to=compared[row["id"]]["compared_to"] if row["id"] in compared else None,
            waiting_days=compared[row["id"]]["waiting"] if row["id"] in compared else 0,
        )
        for row in rows
    ]
    return json_response(ExchangeList(items=items).model_dump(mode="json"))


@router.get(
    "/exchange-instructions",
    response_model=InstructionList,
    summary="What exchanges are told of the region's accounts, the newest first",
    **operation(scopes.EXCHANGES_READ, errors=("request.invalid",)),
)
async def list_instructions(
    principal: Reader,
    services: ServicesDep,
    limit: my.Limit = 50,
    cursor: my.Cursor = None,
    state: Annotated[StateWord | None, Query()] = None,
) -> Response:
    """From staged to done, with the exchange's own numbers."""
    before = my.place("exi", cursor)
    wanted = None if state is None else InstructionState(state)
    async with services.database.reading() as session:
        rows = await repository.instructions(session, principal.region, wanted, before, limit + 1)
        items = [await _view(session, row) for row in rows[:limit]]
    following = items[-1]["instruction_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.post(
    "/exchange-instructions",
    response_model=InstructionView,
    summary="Stage an instruction to an exchange",
    **operation(
        scopes.EXCHANGES_WRITE,
        body=ExchangeOrderInput,
        examples=[_ORDER],
        errors=(
            errors.ExchangeNotFound,
            AccountNotFound,
            OutOfRegion,
            errors.ExchangeAccountMissing,
            errors.DeliveryNotDone,
            errors.InstructionExists,
            InsufficientUnits,
            AccountFrozen,
            _CONFLICT,
        ),
    ),
)
async def stage_instruction(request: Request, principal: Writer, services: ServicesDep) -> Response:
    """Nothing leaves before another operator approves it. Units to be delivered are held back at once."""
    raw, wanted = await my.body(request, _INPUT)

    async def act(session: AsyncSession) -> Any:
        actor = desk.Actor(principal, services.intake.clock(), address_of(request))
        return await _view(session, await desk.stage(session, actor, wanted.order))

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/exchange-instructions/{instruction_id}",
    response_model=InstructionView,
    summary="An instruction to an exchange",
    **operation(scopes.EXCHANGES_READ, errors=(errors.InstructionNotFound,)),
)
async def read_instruction(
    instruction_id: InstructionId, principal: Reader, services: ServicesDep
) -> Response:
    """With what the exchange is told, and what came of it."""
    known = my.id_of("exi", instruction_id, errors.InstructionNotFound)
    async with services.database.reading() as session:
        return json_response(await _view(session, await desk.seen(session, principal, known)))


@router.post(
    "/exchange-instructions/{instruction_id}/approval",
    response_model=InstructionView,
    summary="Approve an instruction that another staged: it is told from now on",
    **operation(
        scopes.EXCHANGES_APPROVE,
        body=ExchangeStep,
        examples=[{"reason": "checked against the order of the firm"}],
        errors=(
            errors.InstructionNotFound,
            errors.InstructionWrongState,
            errors.ApproveOwnInstruction,
            _CONFLICT,
        ),
    ),
)
async def approve_instruction(
    instruction_id: InstructionId, request: Request, principal: Approver, services: ServicesDep
) -> Response:
    """Told until it is answered, by an id by which the exchange takes it once."""
    return await _step(instruction_id, request, principal, services, desk.approve)


@router.post(
    "/exchange-instructions/{instruction_id}/withdrawal",
    response_model=InstructionView,
    summary="Withdraw an instruction that is not approved",
    **operation(
        scopes.EXCHANGES_WRITE,
        body=ExchangeStep,
        examples=[{"reason": "staged in error"}],
        errors=(errors.InstructionNotFound, errors.InstructionWrongState, _CONFLICT),
    ),
)
async def withdraw_instruction(
    instruction_id: InstructionId, request: Request, principal: Writer, services: ServicesDep
) -> Response:
    """What it held back is free again."""
    return await _step(instruction_id, request, principal, services, desk.withdraw)


@router.get(
    "/exchange-differences",
    response_model=ExchangeDifferenceList,
    summary="What exchanges' statements say otherwise than our books, the newest first",
    **operation(scopes.EXCHANGES_READ, errors=("request.invalid",)),
)
async def list_exchange_differences(
    principal: Reader, services: ServicesDep, limit: my.Limit = 50, cursor: my.Cursor = None
) -> Response:
    """Each statement is compared once; what was found stays."""
    before = my.place("exd", cursor)
    async with services.database.reading() as session:
        rows = await repository.differences(await driver_of(session), principal.region, before, limit + 1)
    return my.listed(
        rows,
        limit,
        lambda row: ExchangeDifferenceView(
            difference_id=public_id("exd", row["id"]),
            **{name: value for name, value in row.items() if name != "id"},
        ).model_dump(mode="json"),
        my.by_id("exd"),
    )


@router.get(
    "/cad-trust-units",
    response_model=CadTrustList,
    summary="Units of the region as CAD Trust's unit table has them, by their numbers",
    **operation(scopes.EXCHANGES_READ, errors=("request.invalid",)),
)
async def export_cad_trust(
    principal: Reader, services: ServicesDep, limit: my.Limit = 50, cursor: Number = None
) -> Response:
    """Every block stands once, with its status; counts are units of 1 kg."""
    async with services.database.reading() as session:
        rows = await repository.blocks(
            await driver_of(session), principal.region, int(cursor or 1), limit + 1
        )
    items = [CadTrustRecord.model_validate(cad_trust.record(row)) for row in rows[:limit]]
    following = str(rows[limit]["first"]) if len(rows) > limit else None
    return json_response(CadTrustList(items=items, next_cursor=following).model_dump(mode="json"))


async def _step(
    instruction_id: str, request: Request, principal: Principal, services: Services, step: Step
) -> Response:
    known = my.id_of("exi", instruction_id, errors.InstructionNotFound)
    raw, wanted = await my.body(request, _STEP)

    async def act(session: AsyncSession) -> Any:
        row = await desk.seen(session, principal, known, lock=True)
        actor = desk.Actor(principal, services.intake.clock(), address_of(request))
        return await _view(session, await step(session, actor, row, wanted.reason))

    return await idempotency.write(request, principal, services, raw, act)


async def _view(session: AsyncSession, row: ExchangeInstruction) -> Any:
    code = await repository.code_of(await driver_of(session), row.exchange_id)
    return instruction_view(row, code).model_dump(mode="json")
