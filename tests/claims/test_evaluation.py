"""Blind evaluation at its door: the official vectors, what is refused, what is counted, and that the keys agree."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from helpers import Caller, City

from accounts.ids import parse_public_id
from app.quotas.models import ALL_TOGETHER, QuotaKind
from app.quotas.service import Allowance, Quotas
from app.tokens.errors import ElementInvalid
from app.tokens.service import Evaluator
from app.wiring import Services, utc_now
from dedup.encoding import decoded, encoded
from dedup.oprf import KeyPair, Mode, blind, finalize, finalize_verified, public_key, verify_proof
from dedup.person_key import PersonKeys, identity_input, person_key_from_output

VECTORS = Path(__file__).resolve().parents[2] / ".." / "shared" / "facts" / "oprf_vectors.json"
EVALUATE = "/v1/tokens/evaluate"
BAD = {
    "not_canonical": "00" + "ff" * 31,
    "not_on_the_group": "0100000000000000000000000000000000000000000000000000000000000000",
    "above_the_field": "f3" + "ff" * 30 + "7f",
}


@pytest.fixture(scope="module")
def vectors() -> Any:
    if not VECTORS.exists():
        pytest.skip(f"official vectors are not at {VECTORS}")
    return json.loads(VECTORS.read_text())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def platform(city: City) -> Caller:
    return await city.client("platform")


def evaluator(service: Services, keys: PersonKeys) -> Evaluator:
    limits = {QuotaKind.EVALUATIONS: Allowance(10**9)}
    return Evaluator(keys, Quotas(service.database, limits, utc_now))


@pytest.mark.parametrize("mode", Mode)
async def test_the_official_vectors(service: Services, vectors: Any, mode: Mode):
    part = vectors[mode.name.lower()]
    keys = PersonKeys(os.urandom(32))
    secret = bytes.fromhex(part["skSm"])
    keys._keys = KeyPair(secret, public_key(secret))
    works = evaluator(service, keys)
    organisation = parse_public_id("org", "org_" + "1" * 32)
    assert organisation is not None
    for vector in part["vectors"]:
        sent = [bytes.fromhex(each) for each in vector["blinded_element"].split(",")]
        wanted = [bytes.fromhex(each) for each in vector["evaluation_element"].split(",")]
        outputs = [bytes.fromhex(each) for each in vector["output"].split(",")]
        blinds = [bytes.fromhex(each) for each in vector["blind"].split(",")]
        values = [bytes.fromhex(each) for each in vector["input"].split(",")]
        key_id, got, proof = await works.evaluate(organisation, sent, None, proven=mode is Mode.VOPRF)
        assert (key_id, got) == (keys.key_id, wanted)
        found = [
            finalize(value, scalar, element)
            for value, scalar, element in zip(values, blinds, got, strict=True)
        ]
        assert found == outputs
        assert (proof is not None) == (mode is Mode.VOPRF)
        if proof is not None:
            verify_proof(keys.public_key, sent, got, proof)
    works.close()


async def test_what_the_platform_computes_is_the_key_that_onboarding_keeps(
    city: City, platform: Caller, owner: asyncpg.Connection, phone: str
):
    operator = await city.client("operator", "440000")
    holder = parse_public_id("hld", await city.holder(operator, phone))
    value = identity_input("phone", f"+86 {phone}")
    blinded = blind(value, Mode.VOPRF)
    (key,) = (await platform.get("/v1/tokens/keys")).json()["items"]
    for mode in ("voprf", "oprf"):
        body = {"elements": [encoded(blinded.element)], "mode": mode}
        answer = await platform.post(EVALUATE, json=body)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["key_id"] == key["key_id"]
        got = [decoded(each) for each in found["evaluated"]]
        if mode == "voprf":
            public = decoded(key["public_key"])
            (output,) = finalize_verified([value], [blinded], got, decoded(found["proof"]), public)
        else:
            assert found["proof"] is None
            output = finalize(value, blinded.blind, got[0])
        kept = await owner.fetchval("SELECT person_key FROM holders WHERE id = $1", holder)
        assert person_key_from_output(output) == kept


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
async def test_an_element_that_is_none_is_refused_by_its_place(platform: Caller, text: str):
    good = encoded(blind(b"x", Mode.VOPRF).element)
    body = {"elements": [good, encoded(bytes.fromhex(text))]}
    answer = await platform.post(EVALUATE, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "tokens.element_invalid")
    assert answer.json()["errors"] == [{"pointer": "/elements/1", "reason": "element_invalid"}]


async def test_the_identity_is_refused(platform: Caller):
    answer = await platform.post(EVALUATE, json={"elements": [encoded(bytes(32))]})
    assert answer.json()["errors"] == [{"pointer": "/elements/0", "reason": "element_identity"}]


@pytest.mark.parametrize(
    "elements",
    [
        [],
        ["x"],
        ["A" * 42 + "B"],  # the two last bits are not zero
        ["A" * 43 + "="],
        ["A" * 42 + "+"],
        [1],
        ["A" * 43] * 5_001,
        "A" * 43,
    ],
    ids=str,
)
async def test_what_is_no_list_of_elements(platform: Caller, elements: Any):
    answer = await platform.post(EVALUATE, json={"elements": elements})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


async def test_unknown_keys_and_modes(platform: Caller):
    elements = [encoded(blind(b"x", Mode.VOPRF).element)]
    answer = await platform.post(EVALUATE, json={"elements": elements, "key_id": "opk_" + "0" * 32})
    assert (answer.status_code, answer.json()["code"]) == (422, "tokens.key_unknown")
    answer = await platform.post(EVALUATE, json={"elements": elements, "mode": "poprf"})
    assert answer.status_code == 422
    answer = await platform.post(EVALUATE, content=b"x" * 600_000)
    assert answer.status_code == 413


async def test_each_element_counts_for_the_platform_and_for_all(
    city: City, owner: asyncpg.Connection, service: Services
):
    platform = await city.client("platform")
    organisation = parse_public_id("org", platform.organisation_id)

    async def used(of: Any) -> int:
        found = await owner.fetchval(
            "SELECT sum(used)::bigint FROM quota_days WHERE organisation_id = $1", of
        )
        return int(found or 0)

    before = await used(ALL_TOGETHER)
    elements = [encoded(blind(bytes([n]), Mode.VOPRF).element) for n in range(5)]
    assert (await platform.post(EVALUATE, json={"elements": elements})).status_code == 200
    refused = await platform.post(EVALUATE, json={"elements": [encoded(bytes(32))]})
    assert refused.status_code == 422
    assert await used(organisation) == 6
    assert await used(ALL_TOGETHER) == before + 6

    await owner.execute("UPDATE quota_days SET used = allowed WHERE organisation_id = $1", organisation)
    answer = await platform.post(EVALUATE, json={"elements": elements})
    assert (answer.status_code, answer.json()["code"]) == (429, "quota.exhausted")
    assert 0 < int(answer.headers["Retry-After"]) <= 86_400


async def test_while_a_key_rotates_both_evaluate(service: Services):
    present = PersonKeys(os.urandom(32), os.urandom(32))
    following = present.following
    assert following is not None
    limits = {QuotaKind.EVALUATIONS: Allowance(10**9)}
    works = Evaluator(present, Quotas(service.database, limits, utc_now))
    organisation = parse_public_id("org", "org_" + "2" * 32)
    assert organisation is not None
    blinded = blind(identity_input("phone", "13900000001"), Mode.VOPRF)
    for keys in (present, following):
        _, (got,), proof = await works.evaluate(organisation, [blinded.element], keys.key_id, proven=True)
        assert proof is not None
        verify_proof(keys.public_key, [blinded.element], [got], proof)
        output = finalize(identity_input("phone", "13900000001"), blinded.blind, got)
        assert person_key_from_output(output) == keys.person_key("phone", "13900000001")
    works.close()


async def test_the_event_loop_goes_on_while_a_batch_is_evaluated(service: Services):
    works = evaluator(service, PersonKeys(os.urandom(32)))
    organisation = parse_public_id("org", "org_" + "3" * 32)
    assert organisation is not None
    element = blind(b"x", Mode.VOPRF).element
    task = asyncio.create_task(works.evaluate(organisation, [element] * 5_000, None, proven=True))
    began, turns = time.perf_counter(), 0
    while not task.done():
        await asyncio.sleep(0.001)
        turns += 1
    took = time.perf_counter() - began
    await task
    # Evaluated on the loop itself, it would not turn once.
    assert turns > took * 20
    works.close()


async def test_a_bad_element_costs_no_proof(service: Services):
    works = evaluator(service, PersonKeys(os.urandom(32)))
    organisation = parse_public_id("org", "org_" + "4" * 32)
    assert organisation is not None
    with pytest.raises(ElementInvalid):
        await works.evaluate(organisation, [bytes(32)], None, proven=False)
    works.close()
