"""An enterprise with a site, a line and meters, made through the API, and a client that speaks for it."""

import itertools
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from helpers import Caller, City

from accounts.enterprises.roles import Role
from accounts.ids import parse_public_id
from app.auth import repository
from app.auth.clients import create_for_enterprise

CHARACTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
METERS: tuple[dict[str, Any], ...] = (
    {"number": "E-IN", "carrier": "electricity", "flow": "import"},
    {"number": "E-PV", "carrier": "electricity", "flow": "generation"},
    {"number": "E-L1", "carrier": "electricity", "flow": "use", "counts": False, "on_line": True},
    {"number": "G-1", "carrier": "gas", "flow": "use"},
)
_numbers = itertools.count()


def uscc(serial: int) -> str:
    """A made-up unified social credit code with its check character (GB 32100)."""
    body = f"91330800MA{serial:07d}"
    total = sum(CHARACTERS.index(c) * pow(3, place, 31) for place, c in enumerate(body))
    return body + CHARACTERS[-total % 31]


@dataclass
class Plant:
    """An enterprise, its operator, and the ids of its parts; `meters` by number."""

    city: City
    operator: Caller
    enterprise_id: str
    holder_id: uuid.UUID
    client: Caller
    site_id: str
    line_id: str
    meters: dict[str, str]
    region: str = "330800"

    async def speaker(self, role: str) -> Caller:
        """Another client of the enterprise, with a role."""
        return await client_of(self.city, self.enterprise_id, role)

    async def invited(self, role: str, label: str = "") -> str:
        """The code of an invitation."""
        body = {"role": role, "label": label}
        answer = await self.client.post("/v1/enterprises/invitations", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["code"])

    async def member(self, role: str, resident: Caller | None = None) -> "Member":
        """A resident who joined with a role, and what they speak with for the enterprise."""
        if resident is None:
            phone = f"138{next(_numbers):08d}"
            holder_id = await self.city.holder(self.operator, phone, region=self.region)
            resident = await self.city.signed_in(holder_id)
        code = {"code": await self.invited(role)}
        answer = await resident.post("/v1/me/enterprises/join", json=code)
        assert answer.status_code == 200, answer.text
        return Member(resident, str(answer.json()["member_id"]), await self.spoken_by(resident))

    async def spoken_by(self, resident: Caller) -> Caller:
        """What a member speaks with."""
        answer = await resident.post(f"/v1/me/enterprises/{self.enterprise_id}/token")
        assert answer.status_code == 200, answer.text
        return Caller(self.city.http, answer.json()["access_token"], "", "", "")

    async def meter(self, **over: Any) -> dict[str, Any]:
        """Another meter of the site."""
        return await add_meter(self.client, self.site_id, self.line_id, over)


@dataclass
class Member:
    """A resident who is a member: their own caller, the membership, and the caller that is the enterprise's."""

    resident: Caller
    member_id: str
    speaker: Caller


def holder_of(enterprise_id: str) -> uuid.UUID:
    """The holder that an enterprise is."""
    found = parse_public_id("hld", enterprise_id)
    assert found is not None
    return found


async def client_of(city: City, enterprise_id: str, role: str = "owner") -> Caller:
    """A signed-in client of an enterprise."""
    async with city.service.database.transaction() as session:
        organisation = await repository.organisation_of(session, holder_of(enterprise_id))
        assert organisation is not None
        made = await create_for_enterprise(session, organisation, Role(role), datetime.now(UTC))
    answer = await city.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, auth=(made.client_id, made.secret)
    )
    assert answer.status_code == 200, answer.text
    return Caller(city.http, answer.json()["access_token"], made.organisation_id, made.client_id, made.secret)


async def add_meter(client: Caller, site_id: str, line_id: str, meter: dict[str, Any]) -> dict[str, Any]:
    """Enter a meter; `on_line` puts it on the line."""
    body = {
        "site_id": site_id,
        "number": f"M-{next(_numbers)}",
        "carrier": "electricity",
        "installed_at": "2018-01-01T00:00:00+08:00",
        **meter,
    }
    if body.pop("on_line", False):
        body["line_id"] = line_id
    answer = await client.post("/v1/enterprises/meters", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def made_plant(
    city: City,
    operator: Caller | None = None,
    meters: tuple[dict[str, Any], ...] = METERS,
    **over: Any,
) -> Plant:
    """Onboard an enterprise and enter a site, a line and meters; `over` changes what the enterprise is."""
    operator = operator or await city.client("operator", "330000")
    body = {
        "uscc": uscc(next(_numbers)),
        "name": "衢江特钢有限公司",
        "domain": "industry",
        "industry_code": "C3130",
        "region": "330800",
        **over,
    }
    answer = await operator.post("/v1/operator/enterprises", json=body)
    assert answer.status_code == 200, answer.text
    enterprise_id = answer.json()["enterprise_id"]
    client = await client_of(city, enterprise_id)
    site = await client.post("/v1/enterprises/sites", json={"name": "一厂区", "region": body["region"]})
    site_id = site.json()["site_id"]
    line = await client.post("/v1/enterprises/lines", json={"site_id": site_id, "name": "1号轧线"})
    line_id = line.json()["line_id"]
    made = {
        meter["number"]: (await add_meter(client, site_id, line_id, meter))["meter_id"] for meter in meters
    }
    return Plant(
        city,
        operator,
        enterprise_id,
        holder_of(enterprise_id),
        client,
        site_id,
        line_id,
        made,
        body["region"],
    )
