"""Exports: asked for by the person, built by a job, kept sealed for a bounded time, fetched by a signed link.

The job's lease makes one process build at a time. What is `running` when a build begins is left over from a process
that died: it begins anew under the next attempt, whose parts alone are ever shown, so there is one result.
"""

import datetime
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final
from uuid import UUID

import orjson
from sqlalchemy import text

from accounts.ids import public_id, uuid7
from app.my_data.archive import Archive, Seal
from app.my_data.enterprise_sections import OF_ENTERPRISES
from app.my_data.sections import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Driver, Row
    from app.my_data.section import Section
    from app.wiring import Services

MOST_ATTEMPTS: Final = 5
IN_A_RUN: Final = 20
PROGRESS_EVERY: Final = 1_000
_ABOUT = {
    "zh": "本系统保存的有关您的全部数据:每个部分有 JSON 与 CSV 两份。手机号、证件号等标识从不保存,只有其密钥散列。"
    "减排量以克为单位的十进制字符串,积分为整数。receipts 中的 signed 可用 GET /v1/consent-texts/keys 的公钥验证。",
    "en": "All that this service keeps about you, each section as JSON and as CSV. Identifiers such as phone numbers "
    "are never kept, only keyed hashes of them. CO2e is decimal grams, points are integers. What is `signed` in "
    "receipts is verified with the keys of GET /v1/consent-texts/keys.",
}


async def request(driver: "Driver", holder_id: UUID, now: datetime.datetime) -> UUID:
    """Ask for an export of a locked holder; answers the one that waits or is ready, where there is one."""
    found: UUID | None = await driver.fetchval(
        """
        SELECT id FROM exports WHERE holder_id = $1
          AND (state IN ('waiting', 'running') OR (state = 'ready' AND expires_at > $2))
        ORDER BY id DESC LIMIT 1
        """,
        holder_id,
        now,
    )
    if found is not None:
        return found
    export_id = uuid7(now)
    await driver.execute(
        """
        INSERT INTO exports (holder_id, id, state, requested_at, progress_percent, attempt, size_bytes)
        VALUES ($1, $2, 'waiting', $3, 0, 0, 0)
        """,
        holder_id,
        export_id,
        now,
    )
    return export_id


async def find(driver: "Driver", holder_id: UUID, export_id: UUID) -> "Row | None":
    """One export of a holder."""
    return await driver.fetchrow(
        "SELECT * FROM exports WHERE holder_id = $1 AND id = $2", holder_id, export_id
    )


async def page(driver: "Driver", holder_id: UUID, before: UUID | None, limit: int) -> "Sequence[Row]":
    """A holder's exports, the newest first."""
    rows: Sequence[Row] = await driver.fetch(
        """
        SELECT * FROM exports
        WHERE holder_id = $1 AND id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY id DESC LIMIT $3
        """,
        holder_id,
        before,
        limit,
    )
    return rows


async def drop_all(driver: "Driver", holder_id: UUID) -> None:
    """Let nothing be fetched any more of what a locked holder exported, nor of what is being built."""
    rows = await driver.fetch(
        """
        UPDATE exports SET state = 'gone' WHERE holder_id = $1 AND state IN ('waiting', 'running', 'ready')
        RETURNING id
        """,
        holder_id,
    )
    await driver.execute(
        "DELETE FROM export_parts WHERE export_id = ANY($1::uuid[])", [row[0] for row in rows]
    )


async def forget(driver: "Driver", now: datetime.datetime) -> None:
    """Drop what has expired."""
    rows = await driver.fetch(
        "UPDATE exports SET state = 'gone' WHERE state = 'ready' AND expires_at <= $1 RETURNING id", now
    )
    await driver.execute(
        "DELETE FROM export_parts WHERE export_id = ANY($1::uuid[])", [row[0] for row in rows]
    )


def key_of(services: "Services") -> bytes:
    """The key that parts are sealed with."""
    return services.settings.receipt_key.get_secret_value()


async def parts(services: "Services", export_id: UUID, attempt: int) -> AsyncIterator[bytes]:
    """The zip of an export that is ready, part by part; each is read on its own."""
    seal = Seal(key_of(services), export_id, attempt)
    number = 0
    while True:
        async with services.database.driver_transaction() as driver:
            sealed = await driver.fetchval(
                "SELECT sealed FROM export_parts WHERE export_id = $1 AND attempt = $2 AND number = $3",
                export_id,
                attempt,
                number,
            )
        if sealed is None:
            return
        yield seal.open(number, sealed)
        number += 1


async def build_waiting(services: "Services", session: "AsyncSession") -> None:
    """Build what waits, one after the other; `session` has the job's lease, and is kept from going idle."""
    for _ in range(IN_A_RUN):
        async with services.database.driver_transaction() as driver:
            taken = await _take(driver)
        if taken is None:
            return
        await _Build(services, session, *taken).run()


async def _take(driver: "Driver") -> tuple[UUID, UUID, int] | None:
    """Begin the next attempt at the export that was tried least; (holder, export, attempt)."""
    await driver.execute(
        "UPDATE exports SET state = 'failed' WHERE state IN ('waiting', 'running') AND attempt >= $1",
        MOST_ATTEMPTS,
    )
    row = await driver.fetchrow(
        """
        UPDATE exports SET state = 'running', attempt = attempt + 1, progress_percent = 0
        WHERE (holder_id, id) = (
            SELECT holder_id, id FROM exports WHERE state IN ('waiting', 'running') ORDER BY attempt, id LIMIT 1)
        RETURNING holder_id, id, attempt
        """
    )
    if row is None:
        return None
    await driver.execute("DELETE FROM export_parts WHERE export_id = $1 AND attempt < $2", row[1], row[2])
    return row[0], row[1], row[2]


async def _sections_of(driver: "Driver", holder_id: UUID) -> "list[Section]":
    """What everybody has, and of an enterprise its energy account too."""
    keeps = await driver.fetchval("SELECT EXISTS (SELECT FROM enterprises WHERE holder_id = $1)", holder_id)
    return [*SECTIONS, *OF_ENTERPRISES] if keeps else SECTIONS


class _Build:
    """One attempt at one export."""

    def __init__(
        self, services: "Services", lease: "AsyncSession", holder_id: UUID, export_id: UUID, attempt: int
    ) -> None:
        self._services, self._lease = services, lease
        self._holder_id, self._export_id, self._attempt = holder_id, export_id, attempt
        self._seal = Seal(key_of(services), export_id, attempt)
        self._number = self._size = 0
        self._rows = self._all_rows = 0

    async def run(self) -> None:
        """Write the zip, from one state of the database, and show it."""
        now = self._services.intake.clock()
        archive = Archive(self._put, now)
        async with self._services.database.snapshot() as driver:
            sections = await _sections_of(driver, self._holder_id)
            self._all_rows = 2 * sum([await each.count(driver, self._holder_id) for each in sections])
            about = {"at": now.isoformat(), "sections": [each.name for each in sections], "about": _ABOUT}
            await archive.add_text("about.json", orjson.dumps(about, option=orjson.OPT_INDENT_2))
            for section in sections:
                await archive.add_json(f"{section.name}.json", self._counted(driver, section))
                await archive.add_csv(
                    f"{section.name}.csv", list(section.columns), self._counted(driver, section)
                )
        await archive.close()
        await self._show()

    async def _counted(self, driver: "Driver", section: "Section") -> AsyncIterator[dict[str, object]]:
        async for row in section.rows(driver, self._holder_id):
            self._rows += 1
            if self._rows % PROGRESS_EVERY == 0:
                await self._tell(99 * self._rows // max(self._all_rows, self._rows))
            yield dict(row)

    async def _tell(self, percent: int) -> None:
        # The lease's connection would be ended if it idled for a minute.
        await self._lease.exec(text("SELECT 1"))  # type: ignore[call-overload]
        async with self._services.database.driver_transaction() as driver:
            await driver.execute(
                "UPDATE exports SET progress_percent = $4 WHERE holder_id = $1 AND id = $2 AND attempt = $3",
                self._holder_id,
                self._export_id,
                self._attempt,
                percent,
            )

    async def _put(self, part: bytes) -> None:
        sealed = self._seal.close(self._number, part)
        async with self._services.database.driver_transaction() as driver:
            await driver.execute(
                "INSERT INTO export_parts (export_id, attempt, number, sealed) VALUES ($1, $2, $3, $4)",
                self._export_id,
                self._attempt,
                self._number,
                sealed,
            )
        self._number += 1
        self._size += len(part)

    async def _show(self) -> None:
        """Let this attempt be the result, unless another one began or the holder was erased meanwhile."""
        now = self._services.intake.clock()
        lives = datetime.timedelta(hours=self._services.settings.export_hours)
        async with self._services.database.driver_transaction() as driver:
            shown = await driver.fetchval(
                """
                UPDATE exports SET state = 'ready', progress_percent = 100, size_bytes = $4, ready_at = $5,
                    expires_at = $6
                WHERE holder_id = $1 AND id = $2 AND attempt = $3 AND state = 'running' RETURNING id
                """,
                self._holder_id,
                self._export_id,
                self._attempt,
                self._size,
                now,
                now + lives,
            )
            if shown is None:
                await driver.execute(
                    "DELETE FROM export_parts WHERE export_id = $1 AND attempt = $2",
                    self._export_id,
                    self._attempt,
                )


def name_of(export_id: UUID) -> str:
    """Name of the file."""
    return f"tanpuhui-{public_id('exp', export_id)}.zip"
