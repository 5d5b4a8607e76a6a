"""The asynchronous client; the same as the synchronous one, to be awaited."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Self

import httpx

from tanpuhui_platform import protocol
from tanpuhui_platform.client import TIMEOUT_S, TOKEN_MARGIN_S
from tanpuhui_platform.protocol import Identifier, Key, Mode


class AsyncPlatform:
    """Speaks to one service as one client of a platform. Use it as a context manager, in one event loop.

    ``trusted_keys`` are key ids that an operator told the platform; without them the keys that the service publishes
    are taken at its word.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        client_secret: str,
        *,
        trusted_keys: Iterable[str] = (),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, transport=transport)
        self._credentials = (client_id, client_secret)
        self._trusted = frozenset(trusted_keys)
        self._token = ""
        self._token_until = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def keys(self) -> list[Key]:
        """The live keys, the present one first; two while keys rotate."""
        return protocol.keys_of(self._answer(await self._http.get("/v1/tokens/keys")), self._trusted)

    async def person_keys(
        self, identifiers: Sequence[Identifier], *, key: Key | None = None, mode: Mode = "voprf"
    ) -> list[bytes]:
        """One person key (32 bytes) for each identifier, in order, under the present key or the given one.

        Mode ``oprf`` asks for no proof and takes the service at its word. Raises ``IdentifierRefused`` before
        anything is sent, ``ProofRefused``, ``AnswerInvalid``, ``ServiceRefused`` (``quota.exhausted`` with 429).
        """
        blinded = await asyncio.to_thread(protocol.blinded, identifiers)
        key = key or (await self.keys())[0]
        found: list[bytes] = []
        for batch in protocol.parts(blinded, protocol.MAX_ELEMENTS):
            answer = await self._post("/v1/tokens/evaluate", protocol.evaluation_request(batch, key, mode))
            found += await asyncio.to_thread(protocol.person_keys_of, answer, batch, key, mode)
        return found

    async def claim(self, claims: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Claim acts, 5,000 in a request; one outcome for each, in order."""
        return await self._in_parts("/v1/claims/batch", claims)

    async def query(self, acts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Ask whether acts are claimed; nothing is claimed."""
        return await self._in_parts("/v1/claims/query", acts)

    async def claim_stream(self, claims: Iterable[Mapping[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        """Claim as many acts as there are, in one request that is sent and answered line by line, in order."""

        async def content() -> AsyncIterator[bytes]:
            for line in protocol.lines_of(claims, json.dumps):
                yield line

        headers = await self._headers() | {"Content-Type": protocol.NDJSON}
        async with self._http.stream(
            "POST", "/v1/claims/batch", content=content(), headers=headers
        ) as answer:
            if not answer.is_success:
                raise protocol.refused(answer.status_code, await answer.aread(), answer.headers, json.loads)
            async for line in answer.aiter_lines():
                yield json.loads(line)

    async def release(self, claim_id: str, reason: str) -> dict[str, Any]:
        """Give up a claim of one's own (``clm_…``); its tokens are free at once."""
        return await self._post(f"/v1/claims/{claim_id}/release", {"reason": reason})

    async def _in_parts(self, path: str, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for part in protocol.parts(items, protocol.MAX_CLAIMS):
            found += protocol.answers((await self._post(path, list(part))).get("items"), len(part))
        return found

    async def _post(self, path: str, body: Any) -> dict[str, Any]:
        return self._answer(await self._http.post(path, json=body, headers=await self._headers()))

    async def _headers(self) -> dict[str, str]:
        now = time.monotonic()
        if now >= self._token_until:
            form = {"grant_type": "client_credentials"}
            answer = self._answer(await self._http.post("/oauth/token", data=form, auth=self._credentials))
            self._token = str(answer["access_token"])
            self._token_until = now + int(answer["expires_in"]) - TOKEN_MARGIN_S
        return {"Authorization": f"Bearer {self._token}"}

    def _answer(self, answer: httpx.Response) -> dict[str, Any]:
        if not answer.is_success:
            raise protocol.refused(answer.status_code, answer.content, answer.headers, json.loads)
        found: dict[str, Any] = answer.json()
        return found
