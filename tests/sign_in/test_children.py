"""Children under 14: only through a guardian, no birth date, in no rank; and their own account in the end."""

import datetime
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import jwt
import pytest
from helpers import City
from sign_in.desk import Desk
from sign_in.persons import refused

from accounts.ids import parse_public_id
from app.api.children import MAX_CHILDREN, minor_until
from app.auth.real_names import is_under_14
from app.ranks.repository import hidden

CHILDREN, ACCOUNT, SIGN_INS = "/v1/me/children", "/v1/me/account", "/v1/me/sign-ins"


def month(desk: Desk, years: int) -> str:
    return f"{desk.clock().year - years}-{desk.clock().month:02}"


async def child_of(desk: Desk, guardian: dict[str, Any], years: int = 9) -> dict[str, Any]:
    answer = await desk.caller(guardian).post(
        CHILDREN, json={"birth_month": month(desk, years), "label": "小明"}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def act_for(desk: Desk, guardian: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    answer = await desk.caller(guardian).post(f"{CHILDREN}/{child['holder_id']}/token")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize(
    ("born", "until"),
    [
        ("2012-11", "2026-12-01"),
        ("2012-12", "2027-01-01"),
        ("2016-02", "2030-03-01"),
        ("2013-01", "2027-02-01"),
    ],
)
def test_until_when_somebody_is_a_minor(born: str, until: str) -> None:
    # Never too early: whoever is born on the last day of the month is 14 by then.
    assert minor_until(born).isoformat() == until


@pytest.mark.parametrize(
    ("today", "wanted"), [("2026-11-20", True), ("2026-11-21", False), ("2030-01-01", False)]
)
def test_age_by_an_identity_number(today: str, wanted: bool) -> None:
    assert is_under_14("110101201211210019", datetime.date.fromisoformat(today)) is wanted


async def test_a_child_through_its_guardian(desk: Desk, phone: str, owner: asyncpg.Connection) -> None:
    guardian = await desk.by_phone(phone, region="440300")
    child = await child_of(desk, guardian)
    assert (await desk.caller(guardian).get(CHILDREN)).json() == {"items": [child], "next_cursor": None}
    lent = await act_for(desk, guardian, child)
    assert (lent["expires_in"], lent["scope"]) == (900, "me:account:read me:account:write")
    account = (await desk.caller(lent).get(ACCOUNT)).json()
    assert (account["holder_id"], account["region"]) == (child["holder_id"], "440300")
    # What is kept is the month from which the child is 14; and it is never in a rank.
    row = await owner.fetchrow(
        "SELECT * FROM minors WHERE holder_id = $1", child["holder_id"].partition("_")[2]
    )
    assert set(dict(row)) == {"holder_id", "guardian_id", "label", "minor_until", "created_at", "ended_at"}
    assert row["minor_until"].isoformat() == child["minor_until"]
    ids = [parse_public_id("hld", who["holder_id"]) for who in (guardian, child)]
    async with desk.service.database.driver_transaction() as driver:
        assert await hidden(driver, [each for each in ids if each]) == {ids[1]}


async def test_the_guardians_session_carries_it(desk: Desk, phone: str) -> None:
    guardian, other_device = await desk.by_phone(phone), await desk.by_phone(phone)
    child = await child_of(desk, guardian)
    lent, kept = await act_for(desk, guardian, child), await act_for(desk, other_device, child)
    claims = jwt.decode(lent["access_token"], options={"verify_signature": False})
    assert (claims["client_id"], claims["sub"]) == (guardian["session_id"], child["holder_id"])
    assert (await desk.caller(guardian).request("DELETE", "/v1/me/sessions/current")).status_code == 200
    assert (await desk.caller(lent).get(ACCOUNT)).status_code == 401
    assert (await desk.caller(kept).get(ACCOUNT)).status_code == 200


async def test_nobody_elses_child(desk: Desk, phones: Callable[[], str]) -> None:
    guardian, stranger = await desk.by_phone(phones()), await desk.by_phone(phones())
    child = await child_of(desk, guardian)
    for holder in (child["holder_id"], guardian["holder_id"], "hld_" + "1" * 32, "x"):
        refused(await desk.caller(stranger).post(f"{CHILDREN}/{holder}/token"), 404, "holder.not_found")
    assert (await desk.caller(stranger).get(CHILDREN)).json()["items"] == []
    operator = await City(desk.client(), desk.service).client("operator")
    lent = await City(desk.client(), desk.service).resident(operator, guardian["holder_id"])
    refused(await lent.post(f"{CHILDREN}/{child['holder_id']}/token"), 403, "auth.scope")


async def test_who_is_no_child_and_no_guardian(desk: Desk, phone: str, owner: asyncpg.Connection) -> None:
    guardian = await desk.by_phone(phone)
    me = desk.caller(guardian)
    for born in (month(desk, 15), month(desk, -1), "2016-13", "16-03", "1999-01"):
        answer = await me.post(CHILDREN, json={"birth_month": born, "label": "x"})
        refused(answer, 422, "request.invalid")
    child = await child_of(desk, guardian)
    lent = await act_for(desk, guardian, child)
    # A child has no children.
    answer = await desk.caller(lent).post(CHILDREN, json={"birth_month": month(desk, 1), "label": "x"})
    refused(answer, 409, "holder.minor")
    for _ in range(MAX_CHILDREN - 1):
        await child_of(desk, guardian)
    answer = await me.post(CHILDREN, json={"birth_month": month(desk, 1), "label": "x"})
    refused(answer, 409, "holder.too_many_children")


async def test_a_repeated_request_makes_one_child(desk: Desk, phones: Callable[[], str]) -> None:
    guardian, other = await desk.by_phone(phones()), await desk.by_phone(phones())
    body, key = {"birth_month": month(desk, 3), "label": "x"}, {"Idempotency-Key": "child-1"}
    first = await desk.caller(guardian).post(CHILDREN, json=body, headers=key)
    again = await desk.caller(guardian).post(CHILDREN, json=body, headers=key)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    # Keys are everybody's own: the same one of another resident is another request.
    theirs = await desk.caller(other).post(CHILDREN, json=body, headers=key)
    assert "idempotent-replayed" not in theirs.headers
    assert theirs.json()["holder_id"] != first.json()["holder_id"]


async def test_a_child_signs_in_by_itself_from_14_on(
    desk: Desk, phones: Callable[[], str], owner: asyncpg.Connection
) -> None:
    guardian, number = await desk.by_phone(phones()), phones()
    child = await child_of(desk, guardian, 13)
    lent = await act_for(desk, guardian, child)

    async def own_phone() -> httpx.Response:
        await desk.lift()
        body = {"method": "phone", "phone": number, "code": await desk.code(number)}
        return await desk.caller(lent).post(SIGN_INS, json=body)

    refused(await own_phone(), 409, "holder.minor")
    assert (
        await owner.fetchval("SELECT ended_at FROM minors WHERE holder_id = $1", child["holder_id"][4:])
        is None
    )
    desk.clock.forward(days=400)
    assert (await own_phone()).status_code == 200
    told = await desk.by_phone(number)
    assert (told["holder_id"], told["created"]) == (child["holder_id"], False)
    # From now on it is nobody else's.
    refused(
        await desk.caller(guardian).post(f"{CHILDREN}/{child['holder_id']}/token"), 404, "holder.not_found"
    )
    assert (await desk.caller(guardian).get(CHILDREN)).json()["items"] == []


async def test_a_childs_account_is_not_opened_by_a_phone(
    desk: Desk, phones: Callable[[], str], owner: asyncpg.Connection
) -> None:
    """Also where an operator's batch has led a number to it."""
    guardian, number = await desk.by_phone(phones()), phones()
    child = await child_of(desk, guardian)
    await desk.by_phone(number)
    await owner.execute(
        "UPDATE identities SET holder_id = $1 WHERE token = $2",
        child["holder_id"][4:],
        desk.service.hasher.token("phone", number).hex(),
    )
    refused(await desk.try_phone(number), 409, "holder.minor")


async def test_papers_of_a_child(desk: Desk, phone: str) -> None:
    guardian = await desk.by_phone(phone)
    operator = await City(desk.client(), desk.service).client("operator")
    child = await child_of(desk, guardian)
    minor = {"id_no": "110101202001010044", "reason": "x"}
    for whom in (guardian["holder_id"], child["holder_id"]):
        refused(
            await operator.post(f"/v1/operator/holders/{whom}/real-name", json=minor), 409, "holder.minor"
        )
