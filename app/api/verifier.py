"""The doors of verifiers: what was closed in their region, its evidence, and their statement."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import FileResponse

from accounts.issuance import errors, repository, schemas, service
from accounts.issuance.models import Issuance, Status
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import address_of, cursor_of, json_response, operation, parse, stated_version
from app.api.issuances import STEP, IssuanceId, shown
from app.api.redeeming import Cursor, IfMatch, Limit, id_of, read_raw
from app.auth import scopes
from app.auth.principal import Principal, prefix
from app.issuing import office
from app.issuing.closing import folder_of
from app.issuing.evidence import FILES
from app.settling.office import Actor

router = APIRouter(prefix="/v1/verifier/issuances", tags=["verifiers"])
Reader = Annotated[Principal, Depends(caller(scopes.VERIFIER_ISSUANCES_READ))]
Writer = Annotated[Principal, Depends(caller(scopes.VERIFIER_ISSUANCES_WRITE))]
FileName = Annotated[
    str, Path(description="As `evidence` of the issuance names them", examples=["entries.csv"])
]
_SHOWN = (Status.SUBMITTED, Status.SIGNED, Status.RETURNED, Status.NOTICED, Status.ISSUED)
BYTES = "application/octet-stream"
_STATEMENT = TypeAdapter(schemas.StatementInput)


def _file(described: dict[str, Any]) -> dict[str, Any]:
    """The description of an operation that answers with a file."""
    content = {BYTES: {"schema": {"type": "string", "format": "binary"}}}
    described["responses"][200] = {"description": "The file", "content": content}
    return described | {"response_class": Response}


@router.get(
    "",
    response_model=schemas.IssuanceList,
    summary="Issuances of the region that are closed, the newest first",
    **operation(scopes.VERIFIER_ISSUANCES_READ, errors=("request.invalid",)),
)
async def list_closed(
    principal: Reader, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """`submitted` is what waits for a statement."""
    async with services.database.reading() as session:
        rows = await repository.page(
            session, prefix(principal.region), _SHOWN, cursor_of("iss", cursor), limit + 1
        )
        items = await shown(session, rows[:limit], schemas.IssuanceView)
    following = items[-1]["issuance_id"] if len(rows) > limit else None
    return json_response({"items": items, "next_cursor": following})


@router.get(
    "/{issuance_id}",
    response_model=schemas.IssuanceView,
    summary="A closed issuance",
    **operation(scopes.VERIFIER_ISSUANCES_READ, errors=(errors.IssuanceNotFound,)),
)
async def read_closed(issuance_id: IssuanceId, principal: Reader, services: ServicesDep) -> Response:
    """With the hashes of its evidence."""
    async with services.database.reading() as session:
        found = await _seen(session, principal, issuance_id)
        (item,) = await shown(session, [found], schemas.IssuanceView)
    return json_response(item)


@router.get(
    "/{issuance_id}/evidence/{name}",
    summary="A file of the evidence",
    **_file(
        operation(scopes.VERIFIER_ISSUANCES_READ, errors=(errors.IssuanceNotFound, errors.EvidenceNotFound))
    ),
)
async def read_evidence(
    issuance_id: IssuanceId, name: FileName, principal: Reader, services: ServicesDep
) -> Response:
    """Entries with pseudonyms of this issuance alone and days, the methodology, and what was closed."""
    async with services.database.reading() as session:
        found = await _seen(session, principal, issuance_id)
    if name not in FILES or found.evidence is None:
        raise errors.EvidenceNotFound
    path = folder_of(services.settings.issuances, found.id) / name
    if not path.is_file():
        raise errors.EvidenceNotFound
    return FileResponse(
        path,
        media_type=BYTES,
        filename=f"{found.number}-{name}",
        headers={"Cache-Control": "no-store"},
    )


@router.post(
    "/{issuance_id}/statement",
    response_model=schemas.IssuanceView,
    summary="Sign an issuance, or return it with remarks",
    **operation(
        scopes.VERIFIER_ISSUANCES_WRITE,
        body=schemas.StatementInput,
        examples=[{"decision": "signed", "evidence_sha256": "0" * 64, "remarks": "核查报告 2027-018"}],
        errors=(*STEP, errors.EvidenceNotFound),
    ),
)
async def make_statement(
    issuance_id: IssuanceId,
    request: Request,
    principal: Writer,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """It names the package that was looked at. What is returned is reopened by the operator, and closed anew."""
    raw = await read_raw(request)
    body = parse(_STATEMENT, raw)
    version = stated_version(if_match, errors.IssuanceVersionMissing)
    actor = Actor(principal, services.intake.clock(), address_of(request))

    async def act(session: AsyncSession) -> Any:
        seen = await _seen(session, principal, issuance_id)
        issuance = await office.take(session, principal, seen.id, version)
        if issuance.evidence is None or issuance.evidence["sha256"] != body.evidence_sha256:
            raise errors.EvidenceNotFound
        before = office.snapshot(issuance)
        service.state(
            issuance,
            principal.organisation_id,
            principal.client_id,
            signed=body.decision == "signed",
            remarks=body.remarks,
            now=actor.now,
        )
        await office.record(session, actor, issuance, f"issuance.{body.decision}", body.remarks, before)
        return (await shown(session, [issuance], schemas.IssuanceView))[0]

    return await idempotency.write(request, principal, services, raw, act)


async def _seen(session: AsyncSession, principal: Principal, issuance_id: str) -> Issuance:
    known = id_of("iss", issuance_id, errors.IssuanceNotFound)
    found = await repository.find(session, known)
    if found is None or not office.verifier_may_see(principal, found):
        raise errors.IssuanceNotFound
    return found
