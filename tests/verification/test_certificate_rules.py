"""The rules about certificates find what breaks them, and pass what is sound."""

from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from certificates.test_certificates import content, issued
from helpers import City
from verification.breakages import breaches

from accounts.ids import public_id
from app.certificates import service as certificates
from app.certificates.content import CertificateKind
from app.certificates.service import Certificate
from app.certificates.verification import QUERIES
from app.database import driver_of
from app.wiring import utc_now


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def named(city: City) -> Certificate:
    """A certificate whose name was put on and taken off, and whose PDF was made."""
    keys, holder_id = city.service.tokens.keys, uuid4()
    made = await issued(city.service, content(holder_id=holder_id), CertificateKind.PARTICIPANT_SHARE)
    for name in ("王小绿", None):
        async with city.service.database.transaction() as session:
            driver = await driver_of(session)
            await certificates.choose_name(driver, keys, made.number, holder_id, name, utc_now())
    assert (await city.http.get(f"/v1/public/certificates/{made.number}/certificate.pdf")).status_code == 200
    return made


async def test_sound_certificates(root: asyncpg.Connection, named: Certificate) -> None:
    assert await breaches(root) == {}


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        (
            "certificate_versions",
            "DELETE FROM certificate_versions WHERE certificate_id = $1 AND version = 2",
        ),
        ("certificate_versions", "UPDATE certificate_versions SET jws = NULL WHERE certificate_id = $1"),
        ("certificate_versions", "UPDATE certificates SET version = 2 WHERE id = $1"),
        ("certificates_signed", "UPDATE certificates SET quantity_kg = 3 WHERE id = $1"),
        ("certificates_signed", "UPDATE certificates SET number = 'TPH26-0' WHERE id = $1"),
        (
            "certificates_signed",
            "UPDATE certificate_versions SET digest = '' WHERE version = 3 AND certificate_id=$1",
        ),
        (
            "certificate_names",
            "UPDATE certificate_versions SET named = true WHERE certificate_id = $1 AND version = 1",
        ),
        ("certificate_names", "UPDATE certificate_files SET pdf = '\\x00' WHERE certificate_id = $1"),
    ],
)
async def test_what_breaks_a_rule_is_named(
    root: asyncpg.Connection, named: Certificate, rule: str, statement: str
) -> None:
    assert rule in QUERIES
    assert not (await root.execute(statement, named.id)).endswith(" 0")
    assert (await breaches(root))[rule] == public_id("cft", named.id)
