"""Certificates over HTTP: issued once, checked, tampered with, reissued, revoked, named and forgotten."""

import asyncio
import io
import re
from typing import Any
from uuid import UUID, uuid4

import jwt
import pypdf
import pytest
import pytest_asyncio
from certificates.seal import png
from helpers import Caller, City

from accounts.ids import parse_public_id
from app.certificates import repository, service, signing
from app.certificates.content import CertificateKind, Content, Fact
from app.database import driver_of
from app.my_data.erasure import erase
from app.wiring import Services, utc_now

CHECK = "/v1/public/certificates/verification"


def content(**over: Any) -> Content:
    given: dict[str, Any] = {
        "region": "360100",
        "quantity_kg": 2,
        "zh": "本次会议的温室气体排放已由注销的减排量抵消。",
        "en": "The emissions of this meeting are offset by retired reductions.",
        "beneficiary": "低碳<会议> & Co",
        "facts": (Fact("核算排放量", "Emissions", "1.99 kg CO2e"),),
        "serials": ("TPH-360000-ZXMZ-2025-1-2-17",),
    }
    return Content(**given | over)


async def issued(
    services: Services,
    said: Content,
    kind: CertificateKind = CertificateKind.NEUTRAL_EVENT,
    subject: UUID | None = None,
) -> service.Certificate:
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        return await service.issue(driver, services.tokens.keys, kind, subject or uuid4(), said, utc_now())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operator(city: City) -> Caller:
    made = await city.client("operator", "360000", name="江西省碳中和中心")
    answer = await made.request(
        "PUT", "/v1/operator/certificate-seal", content=png(), headers={"Content-Type": "image/png"}
    )
    assert answer.status_code == 200, answer.text
    return made


async def checked(city: City, raw: bytes | str, kind: str = "application/jose") -> dict[str, Any]:
    answer = await city.http.post(CHECK, content=raw, headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_certificate_from_issue_to_paper(city: City, service: Services, operator: Caller) -> None:
    made = await issued(service, content())
    typed = made.number.lower().replace("-", "")
    told = (await city.http.get(f"/v1/public/certificates/{typed}")).json()
    said = told["certificate"]
    assert (told["state"], said["authority"], said["quantity_kg"]) == ("valid", "江西省碳中和中心", 2)
    jwks = {each["kid"]: each for each in (await city.http.get("/v1/consent-texts/keys")).json()["keys"]}
    header = jwt.get_unverified_header(told["jws"])
    claims = jwt.decode(
        told["jws"], jwt.PyJWK(jwks[header["kid"]]).key, ["EdDSA"], audience="tanpuhui-certificate"
    )
    assert claims["certificate"] == said

    pdf = await city.http.get(f"/v1/public/certificates/{made.number}/certificate.pdf")
    again = await city.http.get(f"/v1/public/certificates/{made.number}/certificate.pdf")
    assert pdf.content == again.content
    pages = pypdf.PdfReader(io.BytesIO(pdf.content))
    text = "".join(page.extract_text() for page in pages.pages)
    for each in (made.number, "碳中和证书", "江西省碳中和中心", "低碳<会议> & Co", "1.99 kg CO2e", "2 kg"):
        assert each.replace(" ", "") in text.replace(" ", ""), each
    assert pages.attachments["certificate.jws"][0].decode() == told["jws"]
    assert any("/FontFile" in str(font) or "FontFile3" in str(font) for font in _fonts(pages))
    assert len(pages.pages[0].images) >= 1

    page = await city.http.get(f"/certificates/{typed}")
    assert page.status_code == 200
    assert "低碳&lt;会议&gt; &amp; Co" in page.text
    assert "有效 Valid" in page.text
    assert "script-src 'sha256-" in page.headers["content-security-policy"]

    jws = await city.http.get(f"/v1/public/certificates/{made.number}/certificate.jws")
    for raw, kind in ((jws.content, "application/jose"), (pdf.content, "application/pdf")):
        found = await checked(city, raw, kind)
        assert (found["genuine"], found["number"], found["state"]) == (True, made.number, "valid")
        by_digest = await city.http.post(CHECK, json={"sha256": found["sha256"]})
        assert by_digest.json() == found


def _fonts(pages: pypdf.PdfReader) -> list[Any]:
    return [
        font["/DescendantFonts"][0]["/FontDescriptor"]
        for page in pages.pages
        for font in (each.get_object() for each in page["/Resources"]["/Font"].values())
    ]


async def test_a_change_shows(city: City, service: Services, operator: Caller) -> None:
    made = await issued(service, content())
    head, body, end = made.jws.split(".")
    forged = [
        (".".join((head, body[:-3] + ("AAA" if body[-3:] != "AAA" else "BBB"), end)), "signature"),
        (made.jws[:-5] + ("AAAAA" if made.jws[-5:] != "AAAAA" else "BBBBB"), "signature"),
        ("e30.e30.e30", "unknown_key"),
        ("no certificate", "no_certificate"),
        ("", "no_certificate"),
    ]
    for jws, reason in forged:
        found = await checked(city, jws)
        assert (found["genuine"], found["reason"], found["number"]) == (False, reason, None), jws[:40]
    # A token of another kind, with a true signature, is no certificate.
    other = await checked(city, operator.token)
    assert (other["genuine"], other["reason"]) == (False, "no_certificate")
    pdf = (await city.http.get(f"/v1/public/certificates/{made.number}/certificate.pdf")).content
    found = await checked(city, pdf[:-9] + b" " + pdf[-9:], "application/pdf")
    assert (found["genuine"], found["reason"]) == (False, "unknown_file")
    assert (await city.http.post(CHECK, json={})).status_code == 422
    assert (
        await city.http.post(CHECK, content=b"x", headers={"Content-Type": "text/html"})
    ).status_code == 415


async def test_numbers_that_lead_nowhere(city: City) -> None:
    assert (await city.http.get("/v1/public/certificates/TPH26-0000-0000-0000-00")).json()[
        "code"
    ] == "certificate.mistyped"
    unknown = "TPH26-64S3-6D1N-6RVK-34"
    assert (await city.http.get(f"/v1/public/certificates/{unknown}")).json()[
        "code"
    ] == "certificate.not_found"
    for path in (f"/certificates/{unknown}", "/certificates?number=x", "/certificates/<script>"):
        page = await city.http.get(path)
        assert (page.status_code, "证书核验" in page.text, "<script>alert" in page.text) == (404, True, False)
    assert (await city.http.get("/certificates")).status_code == 200


async def test_fifty_callers_are_issued_one(service: Services) -> None:
    subject = uuid4()
    found = await asyncio.gather(*(issued(service, content(), subject=subject) for _ in range(50)))
    assert len({each.number for each in found}) == 1
    assert len({each.jws for each in found}) == 1
    other = await issued(service, content(), CertificateKind.RETIREMENT, subject)
    assert other.number != found[0].number


async def test_reissue_and_revocation(city: City, service: Services, operator: Caller) -> None:
    made = await issued(service, content())
    door = f"/v1/operator/certificates/{made.number}"
    foreign = await city.client("operator", "440000")
    assert (await foreign.post(door + "/reissue", json={"reason": "x"})).status_code == 404
    body = {"reason": "单位更名", "beneficiary": "新名字有限公司"}
    key = {"Idempotency-Key": "one"}
    assert (await operator.post(door + "/reissue", json=body, headers=key)).json()["version"] == 2
    assert (await operator.post(door + "/reissue", json=body, headers=key)).json()["version"] == 2
    told = (await city.http.get(f"/v1/public/certificates/{made.number}")).json()
    assert told["certificate"]["beneficiary"] == "新名字有限公司"
    assert told["certificate"]["replaces"] == told["versions"][1]["sha256"]
    kept = ("quantity_kg", "serials", "facts", "purpose", "number")
    assert {name: told["certificate"][name] for name in kept} == {
        name: service_said(made.jws)[name] for name in kept
    }
    assert (await checked(city, made.jws))["state"] == "superseded"
    assert (await checked(city, told["jws"]))["state"] == "valid"
    before = (await city.http.get(f"/v1/public/certificates/{made.number}/certificate.pdf")).content

    reason = "重复出具 <b>twice</b>"
    assert (await foreign.post(door + "/revocation", json={"reason": reason})).status_code == 404
    answers = await asyncio.gather(
        *(operator.post(door + "/revocation", json={"reason": reason}) for _ in range(8))
    )
    assert sorted(each.status_code for each in answers) == [200] + [409] * 7
    assert (await operator.post(door + "/reissue", json=body)).json()["code"] == "certificate.revoked"
    page = (await city.http.get(f"/certificates/{made.number}")).text
    assert "已撤销 Revoked" in page
    assert "重复出具 &lt;b&gt;twice&lt;/b&gt;" in page
    after = (await city.http.get(f"/v1/public/certificates/{made.number}/certificate.pdf")).content
    assert "REVOKED" in pypdf.PdfReader(io.BytesIO(after)).pages[0].extract_text()
    for raw, kind in (
        (told["jws"], "application/jose"),
        (before, "application/pdf"),
        (after, "application/pdf"),
    ):
        assert (await checked(city, raw, kind))["state"] == "revoked"
    trail = (await operator.get("/v1/operator/audit?limit=200")).json()["items"]
    done = [each["action"] for each in trail if each["target_id"] == made.number]
    assert sorted(done) == ["certificate.reissued", "certificate.revoked"]
    listed = (await operator.get("/v1/operator/certificates?kind=neutral_event")).json()["items"]
    assert next(each["state"] for each in listed if each["number"] == made.number) == "revoked"


def service_said(jws: str) -> dict[str, Any]:
    return service.said_by(jws)


async def test_a_name_is_the_residents_own_choice(
    city: City, service: Services, operator: Caller, phones: Any
) -> None:
    holders = [await city.holder(operator, phones(), region="360100") for _ in range(2)]
    me, other = [await city.signed_in(each) for each in holders]
    holder_id = parse_public_id("hld", holders[0])
    share = content(holder_id=holder_id, beneficiary="")
    made = await issued(service, share, CertificateKind.PARTICIPANT_SHARE)
    door = f"/v1/me/certificates/{made.number}/name"
    assert holders[0] not in (await city.http.get(f"/v1/public/certificates/{made.number}")).text
    assert (await other.request("PUT", door, json={"name": "别人"})).status_code == 404
    assert (await me.request("PUT", door, json={"name": "<b>"})).status_code == 422
    assert (await me.request("PUT", door, json={"name": "王小绿"})).json()["name_shown"] is True
    named = (await city.http.get(f"/v1/public/certificates/{made.number}")).json()
    assert named["certificate"]["name"] == "王小绿"
    pdf = (await city.http.get(f"/v1/public/certificates/{made.number}/certificate.pdf")).content
    assert "王小绿" in (await city.http.get(f"/certificates/{made.number}")).text

    assert (await me.request("PUT", door, json={"name": None})).json()["version"] == 3
    assert (await me.request("PUT", door, json={"name": None})).json()["version"] == 3
    assert "王小绿" not in (await city.http.get(f"/v1/public/certificates/{made.number}")).text
    async with service.database.driver_transaction() as driver:
        kept = await driver.fetchval(
            "SELECT count(*) FROM certificate_versions WHERE certificate_id = $1 AND jws IS NOT NULL AND named",
            made.id,
        )
        files = await driver.fetchval(
            "SELECT count(*) FROM certificate_files WHERE certificate_id = $1 AND pdf IS NOT NULL", made.id
        )
    assert (kept, files) == (0, 0)
    # What somebody kept is told for what it is.
    assert (await checked(city, named["jws"]))["state"] == "superseded"
    assert (await checked(city, pdf, "application/pdf"))["state"] == "superseded"
    listed = (await me.get("/v1/me/certificates")).json()["items"]
    assert [each["number"] for each in listed] == [made.number]
    assert (await other.get("/v1/me/certificates")).json()["items"] == []


@pytest.mark.parametrize("revoked", [False, True])
async def test_an_erased_resident_is_on_no_certificate(
    city: City, service: Services, operator: Caller, phone: str, revoked: bool
) -> None:
    holder = await city.holder(operator, phone, region="360100")
    holder_id = parse_public_id("hld", holder)
    assert holder_id is not None
    made = await issued(service, content(holder_id=holder_id), CertificateKind.RETIREMENT)
    me = await city.signed_in(holder)
    await me.request("PUT", f"/v1/me/certificates/{made.number}/name", json={"name": "王小绿"})
    if revoked:
        await operator.post(f"/v1/operator/certificates/{made.number}/revocation", json={"reason": "x"})
    wish = await me.post("/v1/me/erasure")
    assert wish.status_code == 200, wish.text
    async with service.database.transaction() as session:
        driver = await driver_of(session)
        row = await driver.fetchrow("SELECT id FROM erasures WHERE holder_id = $1", holder_id)
        assert await erase(service, session, holder_id, row["id"], utc_now())
    async with service.database.driver_transaction() as driver:
        found = await repository.of_number(driver, made.number)
        names = await driver.fetchval(
            "SELECT count(*) FROM certificate_versions WHERE certificate_id = $1 AND named AND jws IS NOT NULL",
            made.id,
        )
    assert found is not None
    assert (found["holder_id"], names, found["named"]) == (None, 0, False)
    told = (await city.http.get(f"/v1/public/certificates/{made.number}")).json()
    assert told["state"] == ("revoked" if revoked else "valid")
    assert re.search("王小绿", str(told)) is None
    keys = {each.kid: each.public.public_bytes_raw() for each in service.tokens.keys.verifying(utc_now())}
    assert signing.check(told["jws"], keys).certificate == told["certificate"]
