"""Where a resident gets the proof that an own entry stands in an issuance."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Response

from accounts.ids import parse_public_id
from accounts.proofs import repository
from accounts.proofs.errors import ProofNotFound, TreeUnavailable
from accounts.proofs.schemas import EntryProofView, proof_view
from app.api.access import ServicesDep
from app.api.http import json_response, operation
from app.api.my import Reader, own
from app.auth import scopes
from app.issuing.closing import trees_of
from app.proving.serving import prove

router = APIRouter(prefix="/v1/me/entries", tags=["me"])
EntryId = Annotated[str, Path(description="`ent_…`", examples=["ent_01a1fc693a86700e9ae525ac545ac6cd"])]


@router.get(
    "/{entry_id}/proof",
    response_model=EntryProofView,
    summary="Proof that an entry of mine stands in an issuance",
    **operation(scopes.ME_READ, errors=(ProofNotFound, TreeUnavailable)),
)
async def entry_proof(entry_id: EntryId, principal: Reader, services: ServicesDep) -> Response:
    """Once the issuance is on public notice. What it shows of others' entries is said in `reveals`."""
    known = parse_public_id("ent", entry_id)
    if known is None:
        raise ProofNotFound
    async with services.database.statement() as driver:
        issuances = await repository.issuances_over(driver, own(principal), known)
    folder = trees_of(services.settings.issuances)
    for issuance in issuances:
        proof = await asyncio.to_thread(prove, folder, issuance["id"], known, issuance["secret"])
        if proof is None:
            continue
        if proof.root.hash != issuance["root"]:
            raise TreeUnavailable
        return json_response(proof_view(proof).model_dump())
    raise ProofNotFound
