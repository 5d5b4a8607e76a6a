"""The platforms' own distribution: alone, the same keys as the service's, and a proof that is really checked."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import tanpuhui_platform
from helpers import City
from hypothesis import given, settings
from hypothesis import strategies as st
from tanpuhui_platform import AsyncPlatform, Identifier, Platform, ProofRefused, ServiceRefused, oprf
from tanpuhui_platform.errors import AnswerInvalid
from tanpuhui_platform.errors import IdentifierRefused as ClientRefused
from tanpuhui_platform.identifiers import identity_input as client_input

from accounts.ids import parse_public_id
from dedup.oprf import Mode, derive_key_pair
from dedup.oprf import blind as service_blind
from dedup.person_key import IdentifierRefused, PersonKeys, identity_input

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "integrations" / "platform_client"
VECTORS = ROOT / ".." / "shared" / "facts" / "oprf_vectors.json"
numbers = st.one_of(
    st.from_regex(r"(\+86|0086|86)?[ -]?1[2-9][0-9]{9}", fullmatch=True),
    st.text(max_size=30),
    st.from_regex(r"[0-9]{17}[0-9Xx]", fullmatch=True),
    st.sampled_from(("11010519491231002X", "91350100M000100Y43", "13900000001", "１３９ 0000 0001")),
)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(("phone", "id_no", "uscc", "source_user", "x-y", "card")), numbers, st.text(max_size=5)
)
def test_identifiers_are_brought_to_the_same_form(scheme: str, value: str, scope: str):
    for scoped in ("", scope):
        try:
            wanted: Any = identity_input(scheme, value, scoped)
        except IdentifierRefused as refused:
            wanted = refused.code
        try:
            found: Any = client_input(scheme, value, scoped)
        except ClientRefused as refused:
            found = refused.code
        assert found == wanted


def test_the_official_vectors():
    if not VECTORS.exists():
        pytest.skip(f"official vectors are not at {VECTORS}")
    part = json.loads(VECTORS.read_text())["voprf"]
    public = bytes.fromhex(part["pkSm"])
    for vector in part["vectors"]:
        fields = {
            name: [bytes.fromhex(each) for each in vector[name].split(",")]
            for name in ("input", "blind", "blinded_element", "evaluation_element", "output", "proof")
        }
        blinded = [
            oprf.blind(value, scalar=scalar)
            for value, scalar in zip(fields["input"], fields["blind"], strict=True)
        ]
        assert [each.element for each in blinded] == fields["blinded_element"]
        oprf.verify_proof(public, fields["blinded_element"], fields["evaluation_element"], fields["proof"][0])
        outputs = map(oprf.finalize, blinded, fields["evaluation_element"])
        assert list(outputs) == fields["output"]


async def test_its_key_is_the_one_that_the_service_keeps(
    city: City, base_url: str, owner: asyncpg.Connection, phones: Any
):
    operator, client = await city.client("operator", "440000"), await city.client("platform")
    people = [phones() for _ in range(3)]
    holders = [parse_public_id("hld", await city.holder(operator, each)) for each in people]
    kept = [await owner.fetchval("SELECT person_key FROM holders WHERE id = $1", each) for each in holders]
    identifiers = [Identifier("phone", each) for each in people]

    def work() -> list[list[bytes]]:
        with Platform(base_url, client.client_id, client.secret) as platform:
            trusted = platform.keys()[0].key_id
        with Platform(base_url, client.client_id, client.secret, trusted_keys=[trusted]) as platform:
            return [platform.person_keys(identifiers), platform.person_keys(identifiers, mode="oprf")]

    assert await asyncio.to_thread(work) == [kept, kept]
    async with AsyncPlatform(base_url, client.client_id, client.secret) as platform:
        assert await platform.person_keys(identifiers) == kept
        with pytest.raises(ClientRefused):
            await platform.person_keys([Identifier("phone", "12")])
    async with AsyncPlatform(base_url, client.client_id, "wrong") as platform:
        with pytest.raises(ServiceRefused) as refused:
            await platform.person_keys(identifiers)
        assert (refused.value.status, refused.value.code) == (401, "auth.client")


class Impostor:
    """A service that evaluates by another key than it says, and so could mark one platform's people."""

    def __init__(self) -> None:
        self.said, self.used = PersonKeys(b"a" * 32), PersonKeys(b"b" * 32)
        self.proven_by_used = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        encoded = tanpuhui_platform.encoded
        if request.url.path == "/oauth/token":
            return httpx.Response(200, json={"access_token": "x", "expires_in": 900})
        if request.url.path == "/v1/tokens/keys":
            key = {
                "key_id": self.said.key_id,
                "public_key": encoded(self.said.public_key),
                "state": "present",
            }
            return httpx.Response(200, json={"items": [key]})
        sent = [tanpuhui_platform.protocol.decoded(each) for each in json.loads(request.content)["elements"]]
        evaluated, proof = self.used.evaluate_blinded(sent)
        if not self.proven_by_used:
            _, proof = self.said.evaluate_blinded(sent)
        return httpx.Response(
            200,
            json={
                "key_id": self.said.key_id,
                "evaluated": [encoded(each) for each in evaluated],
                "proof": encoded(proof),
            },
        )


@pytest.mark.parametrize("own_proof", [True, False])
def test_another_key_than_the_published_one_is_found_out(own_proof: bool):
    impostor = Impostor()
    impostor.proven_by_used = own_proof
    with Platform("http://x", "c", "s", transport=httpx.MockTransport(impostor)) as platform:
        with pytest.raises(ProofRefused):
            platform.person_keys([Identifier("phone", "13900000001"), Identifier("phone", "13900000002")])
        impostor.used = impostor.said
        assert platform.person_keys([Identifier("phone", "13900000001")]) == [
            impostor.said.person_key("phone", "13900000001")
        ]
    untrusting = Platform(
        "http://x", "c", "s", trusted_keys=["opk_other"], transport=httpx.MockTransport(impostor)
    )
    with untrusting as platform, pytest.raises(AnswerInvalid):
        platform.keys()


def test_blinds_are_fresh_and_the_person_is_in_no_repr():
    identifier = Identifier("phone", "13900000001")
    first, second = (tanpuhui_platform.protocol.blinded([identifier])[0] for _ in range(2))
    assert first.element != second.element
    assert "13900000001" not in repr(identifier) + repr(first)
    value = client_input("phone", "13900000001")
    same = service_blind(value, Mode.VOPRF, scalar=first.blind)
    assert same.element == first.element
    assert derive_key_pair(b"a" * 32).public != first.element


def test_it_installs_alone_and_needs_nothing_of_the_service(tmp_path: Path):
    """Built as a wheel and imported with the service's packages out of sight."""
    source = tmp_path / "source"
    shutil.copytree(HOME, source)
    options = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-w", str(tmp_path))
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", *options, str(source)], check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "tanpuhui_platform/py.typed" in names
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"tanpuhui_platform"}
    program = f"""
import sys
sys.path[:] = [{str(wheel)!r}] + [p for p in sys.path if p and {str(ROOT)!r} not in p or "site-packages" in p]
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("app", "dedup", "accounts", "points", "integrations", "methodologies"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import tanpuhui_platform
assert {str(wheel)!r} in tanpuhui_platform.__file__
print(len(tanpuhui_platform.protocol.blinded([tanpuhui_platform.Identifier("phone", "13900000001")])))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
    text = "".join(path.read_text(encoding="utf-8") for path in (HOME / "src").rglob("*.py"))
    imported = set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE))
    assert imported - set(sys.stdlib_module_names) == {"httpx", "rbcl", "tanpuhui_platform"}


async def test_the_examples_of_its_readme_run(city: City, base_url: str):
    page = (HOME / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == page.count("```python") > 3
    client = await city.client("platform")
    names = {"url": base_url, "client_id": client.client_id, "client_secret": client.secret}

    def run() -> None:
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own page

    await asyncio.to_thread(run)
