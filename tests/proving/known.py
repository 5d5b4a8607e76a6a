"""An entry that stands in a published issuance, so that made-up calls for its proof reach a success."""

import datetime
from typing import Any

from helpers import City
from issuance.known import CLOSED
from sqlmodel import col, select

from accounts.ids import parse_public_id, public_id, uuid7
from accounts.issuance.models import Issuance, Status
from accounts.models import AccountKind, Entry
from app.issuing.closing import trees_of
from app.proving.building import EntryBatch, build_tree
from app.wiring import utc_now


async def known_proofs(city: City, holder: str) -> dict[tuple[str, str], Any]:
    """Of the first gram that a holder was credited."""
    now = utc_now()
    holder_id = parse_public_id("hld", holder)
    assert holder_id is not None
    async with city.service.database.transaction() as session:
        entry = (
            await session.exec(
                select(Entry).where(
                    col(Entry.holder_id) == holder_id, col(Entry.credit) == AccountKind.HOLDER_OPEN
                )
            )
        ).first()
        assert entry is not None

        async def one() -> Any:
            yield EntryBatch(entry.id.bytes, [entry.amount], [0])

        issuance_id, secret = uuid7(now), bytes(32)
        root = await build_tree(trees_of(city.service.settings.issuances), issuance_id, one(), secret)
        session.add(
            Issuance(
                id=issuance_id,
                number=f"440300-2026-proven-{entry.id.hex}",
                applicant_id=holder_id,
                methodology_version_id=1,
                asset_id=entry.asset_id,
                region="440300",
                vintage=2026,
                place=1,
                booked_from=entry.booked_at - datetime.timedelta(days=1),
                booked_until=entry.booked_at + datetime.timedelta(seconds=1),
                status=Status.NOTICED,
                opened_by="x",
                opened_at=now,
                secret=secret,
                moved_until=holder_id,
                noticed_at=now,
                root=root.hash,
                **CLOSED,
            )
        )
    return {
        ("GET", "/v1/me/entries/{entry_id}/proof"): ({"entry_id": public_id("ent", entry.id)}, None, None)
    }
