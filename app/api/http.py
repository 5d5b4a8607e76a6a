"""Reading requests and describing operations, the same at every door."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from accounts.errors import DomainError, Fault
from accounts.ids import parse_public_id
from app.problems import CODES, MEDIA_TYPE, Problem, RequestError

Model = TypeVar("Model")
MAX_FAULTS = 50
VERSION_DIGITS = 10
JSON = "application/json"
NDJSON = "application/x-ndjson"
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


def media_type(request: Request) -> str:
    """The media type of the body, without parameters; JSON where none is named."""
    return request.headers.get("content-type", JSON).partition(";")[0].strip().lower()


def address_of(request: Request) -> str:
    """The network address that the request came from, for the audit trail; behind a proxy, the proxy's."""
    return request.client.host if request.client is not None else ""


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; `request.too_large` as soon as it passes the limit, in bytes."""
    declared = request.headers.get("content-length", "0")
    if not (declared.isascii() and declared.isdigit()):
        raise RequestError("request.malformed")
    if len(declared) > len(str(limit)) or int(declared) > limit:
        raise RequestError("request.too_large")
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise RequestError("request.too_large")
            chunks.append(chunk)
    except ClientDisconnect:
        # Fewer bytes came than were announced. Nobody reads the answer, and nothing is acted upon.
        raise RequestError("request.malformed") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def faults_of(error: ValidationError, prefix: str = "") -> list[Fault]:
    """Places and reasons of a validation error, without what was sent."""
    return [
        Fault(prefix + pointer(_place(detail["type"], detail["loc"])), detail["msg"])
        for detail in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
    ]


def _place(kind: str, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Where it is wrong. An unknown field's name is the caller's own text: told only where it looks like a name."""
    if kind == "extra_forbidden" and not _FIELD.fullmatch(str(location[-1])):
        return location[:-1]
    return location


def pointer(location: tuple[int | str, ...]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def is_malformed(error: ValidationError) -> bool:
    """Whether the body was no JSON at all."""
    return any(
        detail["type"] == "json_invalid" for detail in error.errors(include_url=False, include_input=False)
    )


def parse(adapter: "TypeAdapter[Model]", body: bytes) -> Model:
    """Validate a JSON body; 400 where it is no JSON, 422 with every place where it does not fit."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        code = "request.malformed" if is_malformed(error) else "request.invalid"
        raise RequestError(code, *faults_of(error)) from None


async def read_json(request: Request, adapter: "TypeAdapter[Model]", limit: int) -> Model:
    """Read and validate a JSON body."""
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    return parse(adapter, await read_body(request, limit))


def cursor_of(kind: str, cursor: str | None) -> UUID | None:
    """The id at which a page begins; `request.invalid` where the cursor is none of this list."""
    found = None if cursor is None else parse_public_id(kind, cursor)
    if cursor is not None and found is None:
        raise RequestError("request.invalid", Fault("/cursor", "not a cursor of this list"))
    return found


def stated_version(if_match: str | None, missing: type[DomainError]) -> int:
    """The version that a write names by If-Match; 0, which nothing ever has, for what is none of ours."""
    if if_match is None:
        raise missing
    digits = if_match.strip().removeprefix("W/").strip('"')
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < VERSION_DIGITS else 0


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with what orjson writes."""
    return Response(orjson.dumps(content), status, dict(headers or {}), JSON)


def operation(
    *scopes: str,
    body: type[BaseModel] | None = None,
    examples: list[Any] | None = None,
    errors: tuple[type[DomainError] | str, ...] = (),
    media: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Keyword arguments of a route: scopes that let in (any of them), body, and its own failures."""
    codes = [error if isinstance(error, str) else error.code for error in errors]
    if scopes:
        codes += ["auth.missing", "auth.invalid", "auth.scope", "request.rate_limited", "storage.unavailable"]
    if body is not None or media is not None:
        codes += ["request.malformed", "request.invalid", "request.too_large", "request.media_type"]
    extra: dict[str, Any] = {}
    if scopes:
        extra["security"] = [{"oauth2": [scope]} for scope in scopes]
    if body is not None:
        content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}
        if examples:
            content["examples"] = {f"example{i}": {"value": value} for i, value in enumerate(examples)}
        extra["requestBody"] = {"required": True, "content": {JSON: content}}
    if media is not None:
        extra["requestBody"] = {"required": True, "content": dict(media)}
    responses: dict[int | str, dict[str, Any]] = {}
    for code in dict.fromkeys(codes):
        status, _, english = CODES[code]
        known = responses.setdefault(
            status,
            {
                "description": "",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
        known["description"] = (known["description"] + f"; `{code}`: {english}").removeprefix("; ")
    return {"openapi_extra": extra, "responses": responses}


SCHEMAS: list[type[BaseModel]] = [Problem]
"""Models that operations name by reference; `app.openapi` puts them into the document."""
