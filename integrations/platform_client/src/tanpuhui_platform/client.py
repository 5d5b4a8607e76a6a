"""The synchronous client."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import httpx

from tanpuhui_platform import protocol
from tanpuhui_platform.protocol import Identifier, Key, Mode

TOKEN_MARGIN_S = 30
TIMEOUT_S = 60.0


class Platform:
    """Speaks to one service as one client of a platform. Use it as a context manager, from one thread at a time.

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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, transport=transport)
        self._credentials = (client_id, client_secret)
        self._trusted = frozenset(trusted_keys)
        self._token = ""
        self._token_until = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def keys(self) -> list[Key]:
        """The live keys, the present one first; two while keys rotate."""
        return protocol.keys_of(self._answer(self._http.get("/v1/tokens/keys")), self._trusted)

    def person_keys(
        self, identifiers: Sequence[Identifier], *, key: Key | None = None, mode: Mode = "voprf"
    ) -> list[bytes]:
        """One person key (32 bytes) for each identifier, in order, under the present key or the given one.

        Mode ``oprf`` asks for no proof and takes the service at its word. Raises ``IdentifierRefused`` before
        anything is sent, ``ProofRefused``, ``AnswerInvalid``, ``ServiceRefused`` (``quota.exhausted`` with 429).
        """
        blinded = protocol.blinded(identifiers)
        key = key or self.keys()[0]
        found: list[bytes] = []
        for batch in protocol.parts(blinded, protocol.MAX_ELEMENTS):
            answer = self._post("/v1/tokens/evaluate", protocol.evaluation_request(batch, key, mode))
            found += protocol.person_keys_of(answer, batch, key, mode)
        return found

    def claim(self, claims: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Claim acts, 5,000 in a request; one outcome for each, in order."""
        return self._in_parts("/v1/claims/batch", claims)

    def query(self, acts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Ask whether acts are claimed; nothing is claimed."""
        return self._in_parts("/v1/claims/query", acts)

    def claim_stream(self, claims: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Claim as many acts as there are, in one request that is sent and answered line by line, in order."""
        content = protocol.lines_of(claims, json.dumps)
        headers = self._headers() | {"Content-Type": protocol.NDJSON}
        with self._http.stream("POST", "/v1/claims/batch", content=content, headers=headers) as answer:
            if not answer.is_success:
                raise protocol.refused(answer.status_code, answer.read(), answer.headers, json.loads)
            for line in answer.iter_lines():
                yield json.loads(line)

    def release(self, claim_id: str, reason: str) -> dict[str, Any]:
        """Give up a claim of one's own (``clm_…``); its tokens are free at once."""
        return self._post(f"/v1/claims/{claim_id}/release", {"reason": reason})

    def _in_parts(self, path: str, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for part in protocol.parts(items, protocol.MAX_CLAIMS):
            found += protocol.answers(self._post(path, list(part)).get("items"), len(part))
        return found

    def _post(self, path: str, body: Any) -> dict[str, Any]:
        return self._answer(self._http.post(path, json=body, headers=self._headers()))

    def _headers(self) -> dict[str, str]:
        now = time.monotonic()
        if now >= self._token_until:
            form = {"grant_type": "client_credentials"}
            answer = self._answer(self._http.post("/oauth/token", data=form, auth=self._credentials))
            self._token = str(answer["access_token"])
            self._token_until = now + int(answer["expires_in"]) - TOKEN_MARGIN_S
        return {"Authorization": f"Bearer {self._token}"}

    def _answer(self, answer: httpx.Response) -> dict[str, Any]:
        if not answer.is_success:
            raise protocol.refused(answer.status_code, answer.content, answer.headers, json.loads)
        found: dict[str, Any] = answer.json()
        return found
