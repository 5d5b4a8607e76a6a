"""What is wrong gets a clear 4xx in the caller's language; it credits nothing and tells nobody's number."""

import asyncio
import base64
import datetime
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import jwt
import orjson
import pytest
import pytest_asyncio
from api.stage import Stage, kept
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from helpers import metro

from accounts.ids import parse_public_id
from app.api.platforms import MAX_REPORT_BYTES
from app.auth import scopes
from app.auth.principal import Principal
from app.auth.tokens import MAX_TOKEN_LENGTH
from app.wiring import Services

LNG, LAT = 113.98761234, 22.54329876
PLACE = {"lng": LNG, "lat": LAT}
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def refused(
    owner: asyncpg.Connection, stage: Stage, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> AsyncIterator[None]:
    """Nothing is stored, unless a test says so; nothing of the person is written to a log."""
    before = await kept(owner)
    capfd.readouterr()
    yield
    out, err = capfd.readouterr()
    for secret in (stage.phone, str(LNG), str(LAT)):
        assert secret not in out + err
    assert "unexpected error" not in out + err
    assert "Traceback" not in out + err
    if "stores" not in request.fixturenames:
        assert await kept(owner) == before


@pytest.fixture
def stores() -> None:
    """The test credits something as well."""


def problem(answer: httpx.Response, status: int, code: str, pointer: str | None = None) -> dict[str, Any]:
    """The answer, which has the shape of RFC 9457 and names the place."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) >= {"type", "title", "status", "detail", "code", "instance", "errors"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"].endswith("/" + code)
    if pointer is not None:
        assert pointer in [error["pointer"] for error in body["errors"]], body
    if status == 401:
        assert answer.headers["www-authenticate"]
    for secret in (str(LNG), str(LAT)):
        assert secret not in answer.text
    return body


async def send(stage: Stage, body: Any, status: int, code: str, pointer: str | None = None) -> None:
    """Report in Chinese and in English; both are refused alike."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    titles = []
    for language, english in (("zh-CN,zh;q=0.9,en;q=0.1", False), ("fr, en-GB;q=0.8, zh;q=0.2", True)):
        answer = await stage.source.post(
            "/v1/activities", content=content, headers={**JSON, "Accept-Language": language}
        )
        told = problem(answer, status, code, pointer)
        assert stage.phone not in answer.text
        assert told["title"].isascii() is english
        assert answer.headers["content-language"] == ("en" if english else "zh")
        titles.append(told["title"])
    assert len(set(titles)) == 2


def raw(stage: Stage, field: str, value: str) -> bytes:
    """A report whose one field is written exactly so."""
    report = metro("bad", stage.phone, start=PLACE, end=PLACE, **{field: "@"})
    return orjson.dumps(report).replace(b'"@"', value.encode())


@pytest.mark.parametrize("field", ["distance_m", "mass_g", "energy_wh", "count", "price_fen", "volume_ml"])
async def test_a_quantity_is_a_bounded_integer(stage: Stage, field: str) -> None:
    for value in (
        "1" + "0" * 30,
        "9" * 4000,
        "1E+3000000",
        "1e400",
        "-1",
        "-0.5",
        "5.0",
        "5.5",
        "1e3",
        '"5"',
        "true",
        "[5]",
        '{"a":5}',
        '"1E+3000000"',
        "9223372036854775808",
    ):
        began = time.perf_counter()
        await send(stage, raw(stage, field, value), 422, "request.invalid", f"/{field}")
        assert time.perf_counter() - began < 20, value


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "-NaN", "0x10", "010", "+1", "1.", ".5"])
async def test_what_json_has_no_word_for_is_no_json(stage: Stage, value: str) -> None:
    answer = await stage.source.post("/v1/activities", content=raw(stage, "distance_m", value), headers=JSON)
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code, answer.json()["code"])
    assert answer.json()["code"] in ("request.malformed", "request.invalid")
    assert stage.phone not in answer.text


MISFITS: list[tuple[dict[str, Any], str]] = [
    ({"ended_at": "9999-12-31T23:59:59+08:00"}, ""),
    ({"started_at": "9999-12-31T08:00:00+08:00", "ended_at": "9999-12-31T23:59:59-14:00"}, ""),
    ({"started_at": "0001-01-01T00:00:00+14:00"}, ""),
    ({"started_at": "1999-12-31T23:59:59Z"}, ""),
    ({"started_at": "10000-01-01T00:00:00Z"}, "/started_at"),
    ({"started_at": "2026-11-16T08:00:00"}, "/started_at"),
    ({"started_at": 1_763_251_200}, "/started_at"),
    ({"started_at": "2026-11-16"}, "/started_at"),
    ({"started_at": "2026-02-30T08:00:00+08:00"}, "/started_at"),
    ({"started_at": "2026-11-16T24:30:00+08:00"}, "/started_at"),
    ({"ended_at": "2026-11-16T07:59:59+08:00"}, ""),
    ({"ended_at": "2026-11-16T08:00:00+08:00"}, ""),
    ({"ended_at": "2026-11-16T08:25:00+09:00"}, ""),
    ({"ended_at": None}, ""),
    ({"occurred_at": "2026-11-16T08:00:00+08:00"}, ""),
    ({"started_at": None, "ended_at": None}, ""),
    ({"region": "44030"}, "/region"),
    ({"region": "深圳市"}, "/region"),
    ({"region": 440300}, "/region"),
    ({"scene": "trip"}, "/scene"),
    ({"scene": "a." + "b" * 100}, "/scene"),
    ({"scene": "trip.metro\n"}, "/scene"),
    ({"event_id": ""}, "/event_id"),
    ({"event_id": "x" * 129}, "/event_id"),
    ({"event_id": 5}, "/event_id"),
    ({"event_id": "a\u0000b"}, "/event_id"),
    ({"order_no": "a\u0000b"}, "/order_no"),
    ({"order_no": "a\nb"}, "/order_no"),
    ({"evidence": "trust me"}, "/evidence"),
    ({"subject": None}, "/subject"),
    ({"subject": "13700000000"}, "/subject"),
    ({"subject": {"scheme": "phone", "value": "1" * 129}}, "/subject/value"),
    ({"subject": {"scheme": "phone", "value": "\u0000"}}, "/subject/value"),
    ({"subject": {"scheme": "Phone!", "value": "1"}}, "/subject/scheme"),
    ({"subject": {"scheme": "phone", "value": "1", "name": "x"}}, "/subject/name"),
    ({"start": {"lng": 181, "lat": 0}}, "/start/lng"),
    ({"start": {"lng": LNG, "lat": -90.1}}, "/start/lat"),
    ({"start": {"lng": LNG}}, "/start/lat"),
    ({"end": [LNG, LAT]}, "/end"),
    ({"distnace_m": 10}, "/distnace_m"),
    ({"co2e_g": "1000"}, "/co2e_g"),
    ({"source": "org_x"}, "/source"),
    ({"points": 1000}, "/points"),
]


async def test_a_field_that_does_not_fit_is_named(stage: Stage) -> None:
    for over, pointer in MISFITS:
        report = {k: v for k, v in (metro("bad", stage.phone) | over).items() if v is not None}
        await send(stage, report, 422, "request.invalid", pointer)


@pytest.mark.parametrize("value", ["NaN", "1e999", "Infinity"])
async def test_a_coordinate_is_a_number(stage: Stage, value: str) -> None:
    body = orjson.dumps(metro("bad", stage.phone, start={"lng": "@", "lat": LAT}))
    answer = await stage.source.post(
        "/v1/activities", content=body.replace(b'"@"', value.encode()), headers=JSON
    )
    assert answer.status_code in (400, 422)
    assert stage.phone not in answer.text
    assert str(LAT) not in answer.text


async def test_a_name_that_could_be_an_identifier_is_not_repeated(stage: Stage) -> None:
    for place, over in (
        ("", {stage.phone: 1}),
        ("/subject", {"subject": {"scheme": "phone", "value": "1", stage.phone: ""}}),
        ("", {"x" * 5000: 1}),
    ):
        body = metro("bad", stage.phone, **over)
        answer = await stage.source.post("/v1/activities", json=body)
        told = problem(answer, 422, "request.invalid", place)
        assert stage.phone not in answer.text
        assert len(answer.content) < 2000, told


NO_JSON = [
    b"",
    b" ",
    b"{",
    b"nonsense",
    b'{"event_id": "\xff\xfe"}',
    b'{"event_id": "\xed\xa0\x80"}',
    b'{"event_id": "\\ud800"}',
    b'{"event_id": "\\udfff x"}',
    b'{"a":' * 100_000,
    b"[" * 100_000,
    b"[" * 30_000 + b"]" * 30_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b"\xef\xbb\xbf{}",
    b"{}{}",
    "{“event_id”: 1}".encode(),
    '{"event_id": "x"}'.encode("utf-16"),
    b'{"distance_m": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("path", ["/v1/activities", "/v1/activities/batch"])
async def test_what_is_no_json_is_malformed(stage: Stage, path: str) -> None:
    for body in NO_JSON:
        began = time.perf_counter()
        answer = await stage.source.post(path, content=body, headers=JSON)
        if len(body) > MAX_REPORT_BYTES and path == "/v1/activities":
            problem(answer, 413, "request.too_large")
        else:
            problem(answer, 400, "request.malformed")
        assert time.perf_counter() - began < 20, body[:40]


@pytest.mark.parametrize("body", [b"{}", b'{"activities": []}', b'"x"', b"null", b"5", b"true"])
async def test_a_batch_is_an_array(stage: Stage, body: bytes) -> None:
    problem(
        await stage.source.post("/v1/activities/batch", content=body, headers=JSON), 422, "request.invalid"
    )


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/json",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/json-patch+json",
    ],
)
async def test_another_media_type(stage: Stage, kind: str) -> None:
    body = orjson.dumps(metro("bad", stage.phone))
    for path in (
        "/v1/activities",
        "/v1/activities/batch",
        "/v1/activities/act_x/reversal",
    ):
        answer = await stage.source.post(path, content=body, headers={"Content-Type": kind})
        problem(answer, 415, "request.media_type")
    for path in ("/v1/operator/holders/batch", f"/v1/operator/holders/{stage.holder}/consents/withdrawal"):
        answer = await stage.operator.post(path, content=b"{}", headers={"Content-Type": kind})
        problem(answer, 415, "request.media_type")


async def test_ten_megabytes(stage: Stage) -> None:
    big = b"[" + b" " * (10 * 1024 * 1024) + b"]"

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 65_536):
            yield big[start : start + 65_536]

    for path in ("/v1/activities", "/v1/activities/batch", "/v1/activities/act_x/reversal"):
        for content in (big, pieces()):
            answer = await stage.source.post(path, content=content, headers=JSON)
            problem(answer, 413, "request.too_large")
    answer = await stage.operator.post("/v1/operator/holders/batch", content=big, headers=JSON)
    problem(answer, 413, "request.too_large")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await stage.city.http.post("/oauth/token", content=b"a=" + b"b" * 9000, headers=form)
    problem(answer, 413, "request.too_large")


async def test_too_many_items_are_refused_before_each_is_looked_at(stage: Stage) -> None:
    # The second of each pair would take gigabytes and minutes if every item were judged first.
    million = b"1," * 2_000_000
    for body, headers in (
        (orjson.dumps([metro(f"m{i}", stage.phone) for i in range(5001)]), JSON),
        (b"[" + million + b"1]", JSON),
        (b"\n".join(orjson.dumps(metro(f"m{i}", stage.phone)) for i in range(5001)), NDJSON),
        (million.replace(b",", b"\n"), NDJSON),
    ):
        began = time.perf_counter()
        answer = await stage.source.post("/v1/activities/batch", content=body, headers=headers)
        told = problem(answer, 422, "request.invalid")
        assert "5000" in told["errors"][0]["reason"]
        assert time.perf_counter() - began < 20
    holders = {"holders": [{"kind": "person", "region": "440300", "identities": []}] * 5001}
    answer = await stage.operator.post("/v1/operator/holders/batch", json=holders)
    problem(answer, 422, "request.invalid", "/holders")


async def raw_request(base_url: str, head: list[str], body: bytes, *, hang_up: bool = False) -> bytes:
    """What comes back for bytes that no client library would send."""
    host, _, port = base_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write("\r\n".join([*head, "Host: x", "", ""]).encode("latin-1") + body)
    await writer.drain()
    try:
        if hang_up:
            await asyncio.sleep(0.05)
            return b""
        async with asyncio.timeout(5):
            return await reader.read(65_536)
    finally:
        writer.close()


async def test_a_content_length_that_is_wrong(stage: Stage, base_url: str) -> None:
    body = orjson.dumps(metro("cl", stage.phone))
    head = [
        "POST /v1/activities HTTP/1.1",
        f"Authorization: Bearer {stage.source.token}",
        "Content-Type: application/json",
    ]
    for length in ("abc", "-5", "1e3", "²", "9" * 400, "5, 6"):
        answer = await raw_request(base_url, [*head, f"Content-Length: {length}"], body)
        assert answer.split(b" ", 2)[1][:1] == b"4", (length, answer[:200])
        assert stage.phone.encode() not in answer
    both = [*head, "Content-Length: 5", f"Content-Length: {len(body)}"]
    assert (await raw_request(base_url, both, body)).split(b" ", 2)[1][:1] == b"4"
    chunked = [*head, "Content-Length: 5", "Transfer-Encoding: chunked"]
    assert (await raw_request(base_url, chunked, b"0\r\n\r\n")).split(b" ", 2)[1][:1] == b"4"
    short = await raw_request(
        base_url, [*head, f"Content-Length: {len(body) - 3}", "Connection: close"], body
    )
    assert short.startswith(b"HTTP/1.1 400")
    huge = await raw_request(base_url, [*head, "Content-Length: 99999999999999"], b"{")
    assert huge.startswith(b"HTTP/1.1 413")
    # More announced than sent, then gone: nothing is stored, and nothing is logged as an error of ours.
    await raw_request(base_url, [*head, f"Content-Length: {len(body) + 9}"], body, hang_up=True)
    await asyncio.sleep(0.1)


async def test_a_strange_host_or_address_is_no_error_of_ours(stage: Stage, base_url: str) -> None:
    bearer = f"Authorization: Bearer {stage.source.token}"
    for line in (
        "GET /v1/me/entries?limit=%ff%fe&cursor=%00",
        "GET /%00%ff",
        "GET //evil/..%2f",
        "GET /v1/%3F%23",
    ):
        for host in ("Host: [", "Host: a/b?c#d", "Host: \xff"):
            answer = await raw_request(base_url, [f"{line} HTTP/1.1", host, bearer], b"")
            assert answer.split(b" ", 2)[1][:1] == b"4", (line, host, answer[:300])
    answer = await stage.city.http.get("/healthz/", headers={"Host": "evil.example"})
    problem(answer, 404, "request.not_found")
    answer = await stage.city.http.request("PUT", "/v1/activities")
    problem(answer, 405, "request.method")
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=1e9", "limit=1.5", "cursor=x", "cursor=ent_1"],
)
async def test_a_page_that_cannot_be(stage: Stage, query: str) -> None:
    pointer = "/" + query.partition("=")[0]
    problem(await stage.resident.get(f"/v1/me/entries?{query}"), 422, "request.invalid", pointer)
    problem(await stage.city.http.get(f"/v1/methodologies?{query}"), 422, "request.invalid", pointer)


@pytest.mark.parametrize(
    ("holder", "pointer"),
    [
        ({"region": "4403"}, "/holders/0/region"),
        ({"kind": "cat"}, "/holders/0/kind"),
        ({"identities": []}, "/holders/0/identities"),
        ({"identities": [{"scheme": "phone", "value": "1"}] * 11}, "/holders/0/identities"),
        ({"identities": [{"scheme": "phone", "value": "a\u0000"}]}, "/holders/0/identities/0/value"),
        ({"consents": [{"scene_groups": []}]}, "/holders/0/consents/0/scene_groups"),
        ({"consents": [{"granted_at": "2026-01-01T00:00:00"}]}, "/holders/0/consents/0/granted_at"),
        ({"person_key": "x"}, "/holders/0/person_key"),
    ],
)
async def test_a_holder_that_does_not_fit(stage: Stage, holder: dict[str, Any], pointer: str) -> None:
    full = {"region": "440300", "identities": [{"scheme": "phone", "value": stage.phone}]} | holder
    answer = await stage.operator.post("/v1/operator/holders/batch", json={"holders": [full]})
    problem(answer, 422, "request.invalid", pointer)
    assert stage.phone not in answer.text


@pytest.mark.parametrize(
    ("granted_at", "code"),
    [
        ("0001-01-01T00:00:00+14:00", "granted_too_early"),
        ("1970-01-01T00:00:00Z", "granted_too_early"),
        ("9999-12-31T23:59:59-14:00", "granted_in_future"),
    ],
)
async def test_a_consent_out_of_time_is_its_holders_error(stage: Stage, granted_at: str, code: str) -> None:
    consent = {
        "source_id": stage.source.organisation_id,
        "scene_groups": ["trip"],
        "text_version": "t",
        "receipt_id": "r",
        "granted_at": granted_at,
    }
    holder = {
        "region": "440300",
        "identities": [{"scheme": "phone", "value": "13855550000"}],
        "consents": [consent],
    }
    answer = await stage.operator.post("/v1/operator/holders/batch", json={"holders": [holder]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["items"] == [{"holder_id": None, "created": None, "error": code}]


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize("kind", ["json", "ndjson"])
async def test_one_bad_item_spoils_no_other(stage: Stage, owner: asyncpg.Connection, kind: str) -> None:
    day = {"json": 2, "ndjson": 3}[kind]

    def trip(name: str, hour: int, **over: Any) -> dict[str, Any]:
        times = {
            "started_at": f"2026-11-{day:02d}T{hour:02d}:00:00+08:00",
            "ended_at": f"2026-11-{day:02d}T{hour:02d}:20:00+08:00",
        }
        return metro(f"{kind}-{name}", stage.phone, **(times | over))

    items: list[Any] = [
        trip("0", 6),
        trip("1", 7, distance_m=-1),
        trip("2", 8),
        trip("3", 9, started_at="9999-01-01T00:00:00Z"),
        5,
        None,
        [],
        {"event_id": "lonely"},
        trip("8", 10, start=PLACE | {"alt": 5}),
        trip("9", 11, note="x" * MAX_REPORT_BYTES),
        trip("10", 12),
    ]
    bad = {1: "/1/distance_m", 3: "/3", 4: "/4", 5: "/5", 6: "/6", 7: "/7/scene", 8: "/8/start/alt", 9: "/9"}
    if kind == "json":
        body, headers = orjson.dumps(items), JSON
    else:
        broken = [b'{"event_id": "torn', b"\xff\xfe", b'{"event_id": "\\ud800"}', b"[" * 100_000]
        lines = [orjson.dumps(item) for item in items] + broken
        bad |= {len(items) + i: f"/{len(items) + i}" for i in range(len(broken))}
        body, headers = b"\n\n".join(lines) + b"\n", NDJSON
    before = await kept(owner)
    answer = await stage.source.post("/v1/activities/batch", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == headers["Content-Type"]
    told = (
        answer.json()["items"] if kind == "json" else [json.loads(line) for line in answer.text.splitlines()]
    )
    assert len(told) == len(items) if kind == "json" else len(items) + 4
    for index, item in enumerate(told):
        if index in bad:
            assert (item["outcome"], item["reason"]) == ("rejected", "invalid"), (index, item)
            assert bad[index] in [fault["pointer"] for fault in item["errors"]], (index, item)
            assert (item["activity_id"], item["co2e_g"], item["points"]) == (None, "0", 0)
        else:
            assert item["outcome"] in ("credited", "capped"), (index, item)
            assert item["event_id"] == items[index]["event_id"]
    after = await kept(owner)
    assert after["activities"] == before["activities"] + 3
    assert after["receipts"] == before["receipts"] + 3
    assert stage.phone not in answer.text
    assert str(LNG) not in answer.text


@pytest.mark.usefixtures("stores")
async def test_another_sources_event_id_is_another_event(stage: Stage) -> None:
    body = metro(
        "shared-id", stage.phone, started_at="2026-11-05T08:00:00+08:00", ended_at="2026-11-05T08:25:00+08:00"
    )
    assert (await stage.other.post("/v1/activities", json=body)).json()["reason"] == "no_consent"
    credited = (await stage.source.post("/v1/activities", json=body)).json()
    assert credited["outcome"] == "credited"
    # The same words from the other source, and other words under the same id: neither is a conflict or a replay.
    for over in ({}, {"distance_m": 5}):
        answer = await stage.other.post("/v1/activities", json=body | over)
        assert answer.status_code == 200
        assert "idempotent-replayed" not in answer.headers
        assert answer.json()["reason"] == "no_consent"
        assert answer.json()["activity_id"] is None
    assert (await stage.source.post("/v1/activities", json=body | {"distance_m": 5})).status_code == 409


def forged(stage: Stage, service: Services) -> dict[str, str]:
    """Authorization headers that are no good."""
    now = datetime.datetime.now(datetime.UTC)
    key = service.tokens.keys.signing(now)
    public = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(stage.source.token, options={"verify_signature": False})
    header = {"kid": key.kid}
    stranger = Ed25519PrivateKey.generate()

    def eddsa(**over: Any) -> str:
        changed = {name: value for name, value in (claims | over).items() if value is not None}
        return jwt.encode(changed, key.private, algorithm="EdDSA", headers=header)

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    def unsigned(algorithm: str, signature: bytes = b"") -> str:
        head = json.dumps({"alg": algorithm, "typ": "JWT", "kid": key.kid}).encode()
        return f"{part(head)}.{part(json.dumps(claims).encode())}.{part(signature)}"

    def hmac_signed(secret: bytes) -> str:
        signing = unsigned("HS256").rsplit(".", 1)[0]
        return signing + "." + part(hmac.new(secret, signing.encode(), hashlib.sha256).digest())

    organisation = parse_public_id("org", stage.source.organisation_id)
    assert organisation is not None
    expired = service.tokens.issue(
        Principal(
            client_id=stage.source.client_id,
            organisation_id=UUID(bytes=organisation.bytes),
            name="x",
            region="100000",
            scopes=frozenset({scopes.ACTIVITIES_WRITE}),
            expires_at=int(now.timestamp()) - 1,
        ),
        now,
    )
    head, payload, signature = stage.source.token.split(".")
    richer = part(json.dumps(claims | {"scope": " ".join(scopes.DESCRIPTIONS)}).encode())
    return {
        "expired": f"Bearer {expired}",
        "of another key": "Bearer " + jwt.encode(claims, stranger, algorithm="EdDSA", headers=header),
        "of an unknown key": "Bearer "
        + jwt.encode(claims, stranger, algorithm="EdDSA", headers={"kid": "k"}),
        "without a key": "Bearer " + jwt.encode(claims, key.private, algorithm="EdDSA"),
        "for another service": f"Bearer {eddsa(aud='elsewhere')}",
        "from another service": f"Bearer {eddsa(iss='elsewhere')}",
        "that never ends": f"Bearer {eddsa(exp=None)}",
        "without an organisation": f"Bearer {eddsa(org=None)}",
        "with an odd organisation": f"Bearer {eddsa(org='hld_' + '0' * 32)}",
        "without a client": f"Bearer {eddsa(client_id=None)}",
        "alg none": f"Bearer {unsigned('none')}",
        "alg None": f"Bearer {unsigned('None')}",
        "alg none with the signature": f"Bearer {unsigned('none')[:-1]}.{signature}",
        "HS256 by the public key": f"Bearer {hmac_signed(public)}",
        "HS256 by the public bytes": f"Bearer {hmac_signed(key.public.public_bytes_raw())}",
        "HS256 by nothing": f"Bearer {hmac_signed(b'')}",
        "richer": f"Bearer {head}.{richer}.{signature}",
        "without its signature": f"Bearer {head}.{payload}.",
        "cut": f"Bearer {stage.source.token[:-6]}",
        "garbage": "Bearer garbage",
        "dots": "Bearer ...",
        "a comma": "Bearer a,b",
        "only the word": "Bearer",
        "none": "",
        "not latin": "Bearer \xe4\xff",
        "deep": f"Bearer {part(b'[' * 2900)}.e30.AA",
        "deep object": "Bearer " + part(b'{"a":' * 600) + ".e30.AA",
        "long": "Bearer " + "a" * (MAX_TOKEN_LENGTH + 1),
        "Basic": "Basic " + base64.b64encode(b"a:b").decode(),
        "no scheme": stage.source.token,
    }


async def test_a_token_that_is_no_good(stage: Stage, service: Services, base_url: str) -> None:
    body = orjson.dumps(metro("forged", stage.phone))
    for name, authorization in forged(stage, service).items():
        answer = await stage.city.http.post(
            "/v1/activities",
            content=body,
            headers={**JSON, "Authorization": authorization.encode("latin-1")},  # type: ignore[dict-item]
        )
        assert answer.status_code == 401, (name, answer.text)
        told = problem(answer, 401, answer.json()["code"])
        assert told["code"] in ("auth.missing", "auth.invalid"), name
        assert answer.headers["www-authenticate"] == "Bearer"
        assert stage.source.token not in answer.text
        if len(authorization) > 60:
            assert authorization[-40:] not in answer.text
    problem(await stage.city.http.post("/v1/activities", content=body, headers=JSON), 401, "auth.missing")


async def test_a_token_without_the_scope(stage: Stage) -> None:
    reader = await stage.city.client("platform", scopes=(scopes.ACTIVITIES_READ,))
    body = metro("scope", stage.phone)
    for who in (reader, stage.operator, stage.resident):
        for path, content in (("/v1/activities", body), ("/v1/activities/batch", [body])):
            problem(await who.post(path, json=content), 403, "auth.scope")
    # Rights are asked before the body is read: what is wrong with it is nobody's business.
    answer = await reader.post("/v1/activities", content=b"{", headers=JSON)
    problem(answer, 403, "auth.scope")


LANGUAGES = [
    ("", False),
    ("en", True),
    ("EN-us", True),
    ("zh-Hant", False),
    ("en;q=0, zh", False),
    ("en;q=0", False),
    ("en;q=0.5, zh;q=0.4", True),
    ("zh;q=nan, en;q=0.1", True),
    ("en;q=abc", False),
    ("de, fr", False),
    ("*", False),
    ("en;q=" + "9" * 400, True),
    (",;,;q=", False),
]


async def test_the_language_is_the_callers(stage: Stage) -> None:
    for language, english in LANGUAGES:
        answer = await stage.city.http.get("/nowhere", headers={"Accept-Language": language})
        assert problem(answer, 404, "request.not_found")["title"].isascii() is english, language
