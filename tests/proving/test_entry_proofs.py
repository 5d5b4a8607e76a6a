"""A resident proves over HTTP that own rides stand in an issued quarter, and nobody else; no change hides."""

import asyncio
from typing import Any

import asyncpg
import pytest
from helpers import Caller
from issuance.bureau import Bureau, Quarter
from issuance.conftest import bureau, clock, office, opened, quarter
from versions.office import Office, refusal

from accounts.ids import parse_public_id, public_id
from accounts.proofs.checker import ProofBroken, check
from app.issuing.closing import trees_of
from app.proving.files import path_of
from app.proving.verification import check_roots

__all__ = ["bureau", "clock", "office", "opened", "quarter"]
CREDIT, REVERSAL = 1, 2


async def resident(office: Office, holder: object) -> Caller:
    return await office.city.signed_in(f"hld_{holder.hex}")


async def entries(owner: asyncpg.Connection, holder: object, kind: int) -> list[str]:
    """Of grams, in order of booking."""
    rows = await owner.fetch(
        "SELECT id FROM entries WHERE holder_id = $1 AND kind = $2 AND 10 IN (debit, credit) ORDER BY id",
        holder,
        kind,
    )
    return [public_id("ent", row["id"]) for row in rows]


async def proof_of(who: Caller, entry: str) -> Any:
    return await who.get(f"/v1/me/entries/{entry}/proof")


async def test_a_ride_is_proven_to_stand_in_an_issued_quarter(
    bureau: Bureau, quarter: Quarter, office: Office, owner: asyncpg.Connection
) -> None:
    closed = quarter.closed
    first, second = await resident(office, quarter.holder), await resident(office, quarter.second)
    own = await entries(owner, quarter.holder, CREDIT)
    assert len(own) == 3
    # Not before anybody can compare the root.
    assert refusal(await proof_of(first, own[0])) == (404, "proof.not_found")
    await bureau.signed(closed)
    await bureau.step(closed, "notice")
    public = (await office.city.http.get(f"/v1/issuances/{closed['issuance_id']}")).json()
    proofs = [(await proof_of(first, entry)).json() for entry in own]
    for entry, proof in zip(own, proofs, strict=True):
        assert check(proof, public).count == public["entries"] == 5
        assert (proof["entry_id"], proof["credits_co2e_g"], proof["reversals_co2e_g"]) == (entry, "467", "0")
        assert set(proof["reveals"]) == {"zh", "en"}
    with pytest.raises(ProofBroken):
        check(proofs[0] | {"credits_co2e_g": "468"}, public)
    with pytest.raises(ProofBroken):
        check(proofs[0], public | {"quantity_kg": public["quantity_kg"] + 1})
    # What was taken back stands there with its reversal; what was excluded, and whatever is another's, does not.
    (taken_back, excluded), (reversal,) = [
        await entries(owner, quarter.second, kind) for kind in (CREDIT, REVERSAL)
    ]
    assert check((await proof_of(second, taken_back)).json(), public).count == 5
    back = (await proof_of(second, reversal)).json()
    assert (check(back, public).count, back["credits_co2e_g"], back["reversals_co2e_g"]) == (5, "0", "467")
    points = await owner.fetchval(
        "SELECT id FROM entries WHERE holder_id = $1 AND NOT 10 IN (debit, credit) LIMIT 1", quarter.holder
    )
    for who, entry in (
        (second, excluded),
        (second, own[0]),
        (first, taken_back),
        (first, "ent_" + "0" * 32),
        (first, "ent_x"),
        *([(first, public_id("ent", points))] if points else []),
    ):
        assert refusal(await proof_of(who, entry)) == (404, "proof.not_found")
    # The file of the tree is missing, or is another one.
    issuance = parse_public_id("iss", closed["issuance_id"])
    assert issuance is not None
    file = path_of(trees_of(bureau.folder), issuance)
    content = await asyncio.to_thread(file.read_bytes)
    await asyncio.to_thread(file.unlink)
    away = await proof_of(first, own[0])
    assert refusal(away) == (503, "proof.unavailable")
    assert away.headers["Retry-After"] == "60"
    await asyncio.to_thread(file.write_bytes, content)
    assert (await proof_of(first, own[0])).json() == proofs[0]
    # The root is of all entries: one changed, swapped or let out shows to `verify`.
    async with bureau.services.database.snapshot() as driver:
        assert await check_roots(driver) is None
    for change in (
        "UPDATE entries SET amount = amount + 1 WHERE id = $1",
        "UPDATE entries SET id = (left(id::text, 35) || '0')::uuid WHERE id = $1",
        "DELETE FROM entries WHERE id = $1",
    ):
        transaction = owner.transaction()
        await transaction.start()
        changed = parse_public_id("ent", next(each for each in own if not each.endswith("0")))
        assert (await owner.execute(change, changed)).endswith(" 1")
        assert await check_roots(owner) == closed["issuance_id"]
        await transaction.rollback()
