"""Callers of the API and reports for them, for tests."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from accounts.ids import parse_public_id
from app.auth.clients import create_client
from app.auth.models import OrganisationKind
from app.wiring import Services


@dataclass
class Caller:
    """A signed-in client of the API."""

    http: httpx.AsyncClient
    token: str
    organisation_id: str
    client_id: str
    secret: str

    async def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **kwargs.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **kwargs)

    async def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.request("GET", path, **kwargs)

    async def post(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.request("POST", path, **kwargs)


class City:
    """Helpers to make clients, holders and reports at a running service."""

    def __init__(self, http: httpx.AsyncClient, service: Services) -> None:
        self.http = http
        self.service = service

    async def client(
        self,
        kind: str,
        region: str = "100000",
        scopes: tuple[str, ...] | None = None,
        name: str | None = None,
    ) -> Caller:
        async with self.service.database.transaction() as session:
            made = await create_client(
                session, OrganisationKind(kind), name or uuid.uuid4().hex, region, scopes, datetime.now(UTC)
            )
        answer = await self.http.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, auth=(made.client_id, made.secret)
        )
        assert answer.status_code == 200, answer.text
        return Caller(
            self.http, answer.json()["access_token"], made.organisation_id, made.client_id, made.secret
        )

    async def holder(
        self,
        operator: Caller,
        phone: str,
        *sources: Caller,
        groups: tuple[str, ...] = ("trip", "movement", "payment", "recycling", "green", "charging"),
        region: str = "440300",
        granted_at: str = "2020-01-01T00:00:00+08:00",
    ) -> str:
        consents = [
            {
                "source_id": source.organisation_id,
                "scene_groups": list(groups),
                "text_version": "t1",
                "receipt_id": "r1",
                "granted_at": granted_at,
            }
            for source in sources
        ]
        holder = {
            "kind": "person",
            "region": region,
            "identities": [{"scheme": "phone", "value": phone}],
            "consents": consents,
        }
        answer = await operator.post("/v1/operator/holders/batch", json={"holders": [holder]})
        assert answer.status_code == 200, answer.text
        item = answer.json()["items"][0]
        assert item["error"] is None, item
        return str(item["holder_id"])

    async def resident(self, operator: Caller, holder_id: str) -> Caller:
        answer = await operator.post(f"/v1/operator/holders/{holder_id}/token")
        assert answer.status_code == 200, answer.text
        return Caller(self.http, answer.json()["access_token"], operator.organisation_id, "", "")

    async def signed_in(self, holder_id: str) -> Caller:
        """A resident with a session of its own, as after a sign-in: may read and write."""
        holder = parse_public_id("hld", holder_id)
        assert holder is not None
        async with self.service.database.transaction() as session:
            given = await self.service.sign_in.sessions.begin(session, holder, "phone", "", datetime.now(UTC))
        return Caller(self.http, given.access_token, "", "", "")


def metro(event_id: str, phone: str, **over: Any) -> dict[str, Any]:
    """A report of a metro trip in Shenzhen: 10 km, 467 g."""
    report = {
        "event_id": event_id,
        "scene": "trip.metro",
        "region": "440300",
        "subject": {"scheme": "phone", "value": phone},
        "started_at": "2026-11-16T08:00:00+08:00",
        "ended_at": "2026-11-16T08:25:00+08:00",
        "distance_m": 10_000,
    }
    report.update(over)
    return {name: value for name, value in report.items() if value is not None}
