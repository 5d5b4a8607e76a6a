"""Which platform's reports count for me where several report one act, if my programme lets me choose."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import consents
from accounts.agreement_errors import AccountClosed, SourceUnknown
from accounts.errors import Fault
from app.api import idempotency, my
from app.api.access import ServicesDep
from app.api.http import json_response, operation
from app.auth import scopes
from app.crediting.precedence_choice import (
    PreferredPlatformInput,
    PreferredPlatformList,
    choices,
    choose,
)
from app.database import driver_of
from app.problems import RequestError

router = APIRouter(tags=["me"])
_CHOICE: TypeAdapter[PreferredPlatformInput] = TypeAdapter(PreferredPlatformInput)
Group = Annotated[
    str, Path(max_length=40, description="A group of scenes, as in consents", examples=["trip"])
]


@router.get(
    "/v1/me/preferred-platforms",
    response_model=PreferredPlatformList,
    summary="The platforms that I prefer",
    **operation(scopes.ME_READ),
)
async def my_preferred_platforms(principal: my.Reader, services: ServicesDep) -> Response:
    """For each group of scenes, where I chose one."""
    async with services.database.statement() as driver:
        found = await choices(driver, my.own(principal))
    return json_response(PreferredPlatformList(items=found).model_dump(mode="json"))


@router.put(
    "/v1/me/preferred-platforms/{scene_group}",
    response_model=PreferredPlatformList,
    summary="Prefer a platform for a group of scenes, or none",
    **operation(
        scopes.ME_WRITE,
        body=PreferredPlatformInput,
        examples=[{"source_id": "org_01a1fc693a86700e9ae525ac545ac6cd"}],
        errors=(SourceUnknown, AccountClosed, "request.invalid", "request.idempotency_conflict"),
    ),
)
async def prefer_platform(
    scene_group: Group, request: Request, principal: my.Writer, services: ServicesDep
) -> Response:
    """For acts that begin from now on, where the programme of the act goes by it."""
    holder = my.own(principal)
    raw, wanted = await my.body(request, _CHOICE)
    groups = {scene.group for scene in services.preparer.rules.catalogue.scenes().values()}
    if scene_group not in groups:
        raise RequestError("request.invalid", Fault("/scene_group", "no group of scenes", "不是场景分组"))
    source = None if wanted.source_id is None else my.source_id_of(wanted.source_id)

    async def act(session: AsyncSession) -> Any:
        driver = await driver_of(session)
        if source is not None:
            await consents.check_source(driver, source)
        await consents.lock_active(driver, holder)
        await choose(driver, holder, scene_group, source, services.intake.clock())
        return PreferredPlatformList(items=await choices(driver, holder)).model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)
