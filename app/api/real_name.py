"""The operator's door for real names."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import TypeAdapter

from accounts.errors import Fault, HolderNotFound
from accounts.ids import public_id
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import JSON, address_of, media_type, operation, parse, read_body
from app.api.operator import HolderId, holder_and_region
from app.api.sign_in import MAX_BYTES
from app.auth import audit, scopes
from app.auth.errors import AlreadyProven, BothHaveHistory, HolderClosed, OfMinor
from app.auth.principal import Principal
from app.auth.real_names import prove
from app.auth.resident_schemas import RealNameAnswer, RealNameInput
from app.problems import RequestError
from dedup.person_key import IdentifierRefused

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

router = APIRouter(prefix="/v1/operator/holders", tags=["operator"])
_INPUT: TypeAdapter[RealNameInput] = TypeAdapter(RealNameInput)


@router.post(
    "/{holder_id}/real-name",
    response_model=RealNameAnswer,
    summary="Record that a holder's papers were seen",
    **operation(
        scopes.HOLDERS_WRITE,
        body=RealNameInput,
        examples=[
            {"id_no": "11010519491231002X", "phone": "13900000001", "reason": "papers seen at the counter"}
        ],
        errors=(
            HolderNotFound,
            OfMinor,
            AlreadyProven,
            BothHaveHistory,
            HolderClosed,
            "request.idempotency_conflict",
        ),
    ),
)
async def prove_real_name(
    request: Request,
    holder_id: HolderId,
    principal: Annotated[Principal, Depends(caller(scopes.HOLDERS_WRITE))],
    services: ServicesDep,
) -> Response:
    """The identity number is hashed and dropped. The phone named leads to the account again, and is trusted anew."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    raw = await read_body(request, MAX_BYTES)
    body = parse(_INPUT, raw)
    now = services.intake.clock()

    async def act(session: "AsyncSession") -> Any:
        holder, region = await holder_and_region(session, principal, holder_id)
        try:
            survivor, absorbed = await prove(
                session, services.sign_in.door, holder, body.id_no, body.phone, principal.may_see_region, now
            )
        except IdentifierRefused as refused:
            place = "/phone" if refused.code == "phone_invalid" else "/id_no"
            raise RequestError("request.invalid", Fault(place, refused.code)) from None
        await audit.append(
            session,
            principal,
            now,
            "holder.real_name_proven",
            ("holder", public_id("hld", survivor)),
            region=region,
            address=address_of(request),
            reason=body.reason,
            after=None if absorbed is None else {"absorbed": public_id("hld", absorbed)},
        )
        answer = RealNameAnswer(holder_id=public_id("hld", survivor), merged=absorbed is not None)
        return answer.model_dump()

    return await idempotency.write(request, principal, services, raw, act)
