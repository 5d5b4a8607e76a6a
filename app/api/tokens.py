"""The doors of blind evaluation: a platform gets person keys for identifiers that it does not show."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import TypeAdapter

from app.api.access import ServicesDep, caller
from app.api.http import json_response, operation, read_json
from app.auth import scopes
from app.auth.principal import Principal
from app.quotas.errors import QuotaExhausted
from app.tokens.errors import ElementInvalid, KeyUnknown
from app.tokens.schemas import (
    ELEMENT_EXAMPLE,
    EvaluationAnswer,
    EvaluationInput,
    EvaluationKey,
    EvaluationKeyList,
)
from dedup.encoding import decoded, encoded

router = APIRouter(prefix="/v1/tokens", tags=["tokens"])
MAX_BYTES = 512 * 1024
EVALUATORS = (scopes.TOKENS_EVALUATE, scopes.FEDERATION_EVALUATE)
_INPUT: TypeAdapter[EvaluationInput] = TypeAdapter(EvaluationInput)


@router.post(
    "/evaluate",
    response_model=EvaluationAnswer,
    summary="Evaluate up to 5,000 blinded elements",
    **operation(
        *EVALUATORS,
        body=EvaluationInput,
        examples=[{"elements": [ELEMENT_EXAMPLE]}],
        errors=(ElementInvalid, KeyUnknown, QuotaExhausted),
    ),
)
async def evaluate(
    request: Request,
    principal: Annotated[Principal, Depends(caller(*EVALUATORS))],
    services: ServicesDep,
) -> Response:
    """Neither does the service learn the identifier, nor the platform the key. Each element counts for the quotas."""
    body = await read_json(request, _INPUT, MAX_BYTES)
    key_id, evaluated, proof = await services.evaluator.evaluate(
        principal.organisation_id,
        [decoded(element) for element in body.elements],
        body.key_id,
        proven=body.mode == "voprf",
        of_federation=scopes.TOKENS_EVALUATE not in principal.scopes,
    )
    return json_response(
        {
            "key_id": key_id,
            "evaluated": [encoded(element) for element in evaluated],
            "proof": None if proof is None else encoded(proof),
        },
        headers={"Cache-Control": "no-store"},
    )


@router.get("/keys", response_model=EvaluationKeyList, summary="Keys that evaluate, the present one first")
async def list_keys(services: ServicesDep) -> Response:
    """The same for everybody, so that nobody is given a key of its own. Two while keys rotate.

    And one for neighbours where this deployment is the evaluator of a federation.
    """
    items = [
        EvaluationKey(
            key_id=key_id,
            public_key=encoded(keys.public_key),
            state="next" if place else "present",
        ).model_dump()
        for place, (key_id, keys) in enumerate(services.evaluator.keys.items())
    ]
    if (federation := services.evaluator.federation) is not None:
        items.append(
            EvaluationKey(
                key_id=federation.key_id, public_key=encoded(federation.public_key), state="federation"
            ).model_dump()
        )
    return json_response({"items": items}, headers={"Cache-Control": "public, max-age=300"})
