"""For each door of issuances something real to be asked for, so that made-up calls reach a success."""

import datetime
import itertools
from typing import TYPE_CHECKING, Any

from helpers import City

from accounts.ids import parse_public_id, public_id, uuid7
from accounts.issuance.models import Issuance, IssuanceObjection, Status
from app.database import driver_of
from app.issuing.closing import folder_of
from app.wiring import utc_now

if TYPE_CHECKING:
    from pathlib import Path

OPERATOR, VERIFIER = "/v1/operator/issuances", "/v1/verifier/issuances"
_UNUSED = itertools.count(1_000_000_000)
SHA = "0" * 64
CLOSED = {
    "credits_mg": 1_500_000,
    "reversals_mg": 0,
    "entries": 1,
    "brought_mg": 0,
    "quantity_kg": 1,
    "carried_mg": 500_000,
    "evidence": {"sha256": SHA, "files": {}},
}


async def known_issuances(city: City) -> dict[tuple[str, str], Any]:
    """(method, path) → path parameters, body and version; issuances of Shenzhen, each in another state."""
    now = utc_now()
    applicant = await city.client("platform")
    other = await city.client("operator", "440000")
    organisation = parse_public_id("org", applicant.organisation_id)
    assert organisation is not None
    folder: Path = city.service.settings.issuances
    async with city.service.database.transaction() as session:
        driver = await driver_of(session)
        methodology = await driver.fetchval("SELECT min(id) FROM methodology_versions")

    async def made(status: Status, **over: Any) -> tuple[str, int]:
        number = next(_UNUSED)
        kept = CLOSED if status not in (Status.DRAFT, Status.PREVIEWED) else {}
        async with city.service.database.transaction() as session:
            issuance = Issuance(
                id=uuid7(now),
                number=f"440300-2026-known-{number}",
                applicant_id=organisation,
                methodology_version_id=methodology,
                asset_id=number,
                region="440300",
                vintage=2026,
                place=1,
                booked_from=now - datetime.timedelta(days=90),
                booked_until=now - datetime.timedelta(days=1),
                status=status,
                opened_by=other.client_id,
                opened_at=now,
                secret=bytes(32),
                moved_until=organisation if kept else None,
                **(kept | over),
            )
            session.add(issuance)
        return public_id("iss", issuance.id), 1

    async def objected(issuance: str) -> str:
        found = parse_public_id("iss", issuance)
        assert found is not None
        async with city.service.database.transaction() as session:
            objection = IssuanceObjection(
                id=uuid7(now), issuance_id=found, objector="x", text="x", received_at=now, recorded_by="x"
            )
            session.add(objection)
        return public_id("obj", objection.id)

    reason = {"reason": "x"}
    noticed = {"noticed_at": now, "notice_ends_on": now.date() - datetime.timedelta(days=1)}
    found: dict[tuple[str, str], Any] = {}
    for name, status, over, body in (
        ("preview", Status.PREVIEWED, {"preview": None}, reason),
        ("close", Status.DRAFT, {}, reason),
        ("withdrawal", Status.DRAFT, {}, reason),
        ("reopening", Status.SUBMITTED, {}, reason),
        ("notice", Status.SIGNED, {}, reason | {"working_days": 5, "ends_on": "2031-01-01"}),
        (
            "objections",
            Status.NOTICED,
            noticed,
            {"objector": "x", "text": "x", "received_at": now.isoformat()},
        ),
        ("approval", Status.NOTICED, noticed | {"quantity_kg": 0, "credits_mg": 0, "carried_mg": 0}, reason),
    ):
        issuance, version = await made(status, **over)
        found["POST", f"{OPERATOR}/{{issuance_id}}/{name}"] = ({"issuance_id": issuance}, body, version)
    issuance, version = await made(Status.NOTICED, **noticed)
    objection = await objected(issuance)
    answer = {"upheld": False, "answer": "x"}
    names = {"issuance_id": issuance, "objection_id": objection}
    found["POST", OPERATOR + "/{issuance_id}/objections/{objection_id}/answer"] = (names, answer, version)
    submitted, version = await made(Status.SUBMITTED)
    statement = {"decision": "signed", "evidence_sha256": SHA, "remarks": "x"}
    found["POST", VERIFIER + "/{issuance_id}/statement"] = ({"issuance_id": submitted}, statement, version)
    known = parse_public_id("iss", issuance)
    assert known is not None
    package = folder_of(folder, known)
    package.mkdir(parents=True, exist_ok=True)
    (package / "issuance.json").write_text("{}")
    names = {"issuance_id": issuance, "name": "issuance.json"}
    found["GET", VERIFIER + "/{issuance_id}/evidence/{name}"] = (names, None, None)
    for path in ("", "/exclusions", "/objections"):
        found["GET", OPERATOR + "/{issuance_id}" + path] = (names, None, None)
    for path in (VERIFIER + "/{issuance_id}", "/v1/issuances/{issuance_id}"):
        found["GET", path] = (names, None, None)
    return found
