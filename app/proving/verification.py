"""The rule of `tanpuhui verify` about roots: the tree of each closed period is made anew from its entries."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from accounts.ids import public_id
from accounts.issuance import repository
from accounts.issuance.models import Issuance
from accounts.issuance.selection import arguments, counted
from app.proving.building import EntryBatch, TreeRefused, build_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

_PAGE = 20_000


async def check_roots(driver: "asyncpg.Connection") -> str | None:
    """The first issuance whose root is not that of its entries."""
    rows = await driver.fetch(
        "SELECT * FROM issuances WHERE status IN ('submitted', 'signed', 'returned', 'noticed', 'issued') ORDER BY id"
    )
    for row in rows:
        issuance = Issuance(**dict(row))
        with tempfile.TemporaryDirectory(prefix="tanpuhui-") as folder:
            try:
                found = await build_tree(
                    Path(folder), issuance.id, _entries(driver, issuance), issuance.secret
                )
                root = found.hash
            except TreeRefused:
                # Without entries there is no tree. One that comes twice is found by the count of `issuances`.
                root = None
        if root != issuance.root:
            return public_id("iss", issuance.id)
    return None


async def _entries(driver: "asyncpg.Connection", issuance: Issuance) -> "AsyncIterator[EntryBatch]":
    text = await repository.text_of(driver, issuance.methodology_version_id)
    everywhere = issuance.region == text["region"]
    taken = await driver.cursor(
        counted("e.id, e.amount, e.reversal", everywhere=everywhere), *arguments(issuance)
    )
    while rows := await taken.fetch(_PAGE):
        yield EntryBatch(
            b"".join(row["id"].bytes for row in rows),
            [0 if row["reversal"] else row["amount"] for row in rows],
            [row["amount"] if row["reversal"] else 0 for row in rows],
        )
