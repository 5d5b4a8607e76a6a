"""Sign-in of clients: OAuth2 client credentials (RFC 6749), and the keys that verify the tokens."""

import base64
import binascii
from urllib.parse import parse_qs, unquote

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.api.access import ServicesDep
from app.api.http import json_response, operation, read_body
from app.auth import clients, resident_repository
from app.auth.principal import Principal
from app.problems import RequestError
from app.wiring import utc_now

router = APIRouter(tags=["sign-in"])
MAX_FORM_BYTES = 8_192


class TokenAnswer(BaseModel):
    """An access token."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Seconds")
    scope: str


class Jwks(BaseModel):
    """Public keys (RFC 7517)."""

    keys: list[dict[str, str]]


_FORM = {
    "application/x-www-form-urlencoded": {
        "schema": {
            "type": "object",
            "required": ["grant_type"],
            "properties": {
                "grant_type": {"const": "client_credentials"},
                "client_id": {"type": "string", "description": "Here or by HTTP Basic"},
                "client_secret": {"type": "string"},
                "scope": {
                    "type": "string",
                    "description": "Space-separated; all of the client's where absent",
                },
            },
        }
    }
}


@router.post(
    "/oauth/token",
    response_model=TokenAnswer,
    summary="Exchange client id and secret for an access token",
    **operation(
        media=_FORM,
        errors=(
            "auth.client",
            "auth.grant",
            "auth.unknown_scope",
            "auth.unavailable",
            "request.rate_limited",
        ),
    ),
)
async def issue_token(request: Request, services: ServicesDep) -> Response:
    """Client credentials by HTTP Basic or in the form; a token of 15 minutes."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise RequestError("request.media_type")
    form = _form(await read_body(request, MAX_FORM_BYTES))
    if form.get("grant_type") != "client_credentials":
        raise RequestError("auth.grant")
    client_id, secret = _credentials(request, form)
    await services.limiter.check_secret(client_id[:64])
    client, organisation = await clients.authenticate(services.database, client_id, secret)
    held = clients.scopes_of(client)
    wanted = set(form["scope"].split()) if form.get("scope") else set(held)
    if not wanted <= held:
        raise RequestError("auth.unknown_scope")
    epoch = 0
    if organisation.holder_id is not None:
        async with services.database.reading() as session:
            epoch = await resident_repository.epoch_of(session, organisation.holder_id)
    now = utc_now()
    lifetime = services.settings.access_token_seconds
    principal = Principal(
        client_id=client.id,
        organisation_id=organisation.id,
        name=organisation.name,
        region=organisation.region,
        scopes=frozenset(wanted),
        expires_at=int(now.timestamp()) + lifetime,
        holder_id=organisation.holder_id,
        epoch=epoch,
    )
    answer = TokenAnswer(
        access_token=services.tokens.issue(principal, now),
        expires_in=lifetime,
        scope=" ".join(sorted(wanted)),
    )
    return json_response(answer.model_dump(), headers={"Cache-Control": "no-store"})


@router.get("/.well-known/jwks.json", response_model=Jwks, summary="Keys that verify access tokens")
async def jwks(services: ServicesDep) -> Response:
    """Keys in use, and those about to be."""
    return json_response(services.tokens.keys.jwks(), headers={"Cache-Control": "public, max-age=300"})


def _form(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qs(body.decode("utf-8"), strict_parsing=True, max_num_fields=10, errors="strict")
    except ValueError:
        raise RequestError("request.malformed") from None
    if any(len(values) > 1 for values in fields.values()):
        raise RequestError("request.malformed")
    return {name: values[0] for name, values in fields.items()}


def _credentials(request: Request, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise RequestError("auth.client") from None
        return unquote(client_id), unquote(secret)
    return form.get("client_id", ""), form.get("client_secret", "")
