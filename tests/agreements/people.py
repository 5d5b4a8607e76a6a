"""Residents with both scopes, as sign-in gives them, and what they agree to."""

import datetime
from dataclasses import dataclass
from typing import Any

import asyncpg
from helpers import Caller, City

from accounts.ids import parse_public_id
from app.auth import scopes
from app.auth.principal import Principal
from app.verification import verify

VERSION = "2026-11"


@dataclass
class Resident(Caller):
    """A signed-in resident with a phone."""

    holder_id: str
    phone: str

    async def agree(self, source: Caller, *groups: str) -> Any:
        answer = await self.post("/v1/me/consents", json=wish(source, *groups))
        assert answer.status_code == 200, answer.text
        return answer.json()["receipt_id"]


def wish(source: Caller, *groups: str) -> dict[str, Any]:
    return {
        "source_id": source.organisation_id,
        "consents": [{"scene_group": group, "text_version": VERSION} for group in groups],
    }


def signed_in(city: City, holder_id: str, phone: str = "") -> Resident:
    holder = parse_public_id("hld", holder_id)
    assert holder is not None
    now = datetime.datetime.now(datetime.UTC)
    principal = Principal(
        client_id="ses_test",
        organisation_id=holder,
        name="resident",
        region="440300",
        scopes=frozenset({scopes.ME_READ, scopes.ME_WRITE}),
        expires_at=int(now.timestamp()) + 900,
        holder_id=holder,
    )
    token = city.service.tokens.issue(principal, now)
    return Resident(city.http, token, "", "", "", holder_id, phone)


async def resident(city: City, phone: str) -> Resident:
    """A new person without any consent."""
    operator = await city.client("operator", "440000")
    return signed_in(city, await city.holder(operator, phone), phone)


async def breaches(city: City) -> list[tuple[str, str | None]]:
    async with city.service.database.snapshot() as driver:
        return [(f.rule, f.breach) async for f in verify(driver) if f.breach is not None]


async def count(owner: asyncpg.Connection, table: str, holder_id: str) -> int:
    return int(
        await owner.fetchval(
            f"SELECT count(*) FROM {table} WHERE holder_id = $1", parse_public_id("hld", holder_id)
        )
    )
