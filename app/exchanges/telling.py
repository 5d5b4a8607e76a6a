"""Exchanges are told what was approved, and their statements of each day are compared with our books.

An instruction is told outside of transactions: leased before, settled after, so that any number of processes may do it
and one that dies leaves its rows to the others. The exchange takes each once, by its id.
"""

import asyncio
import datetime
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
import structlog

from accounts.ids import epoch_ms, parse_public_id, public_id, uuid7_batch
from app.auth import signatures
from app.auth.tokens import ISSUER
from app.exchanges import desk, repository
from app.exchanges.models import InstructionState
from app.exchanges.reconciliation import compare
from dedup.periods import LOCAL
from integrations.carbon_market.files import ExchangeFiles
from integrations.carbon_market.http import ExchangeApi
from integrations.carbon_market.ports import (
    ExchangePort,
    ExchangeWaiting,
    InstructionKind,
    Receipt,
    Statement,
    carry_out,
    order_of,
)
from integrations.partner.errors import PartnerAway, PartnerRefused
from integrations.partner.signing import PartnerKeys, read_keys

if TYPE_CHECKING:
    import httpx

    from accounts.repository import Row
    from app.auth.keys import KeyRing
    from app.database import Database
    from app.webhooks.signing import SecretBox

log = structlog.get_logger(__name__)
AT_ONCE: Final = 16
FOR_S: Final = 20.0
"""A run looks no longer for more to tell: what is left is for the next one."""
LEASE: Final = datetime.timedelta(minutes=2)
FIRST_PAUSE: Final = datetime.timedelta(seconds=10)
LONGEST_PAUSE: Final = datetime.timedelta(minutes=10)
STATEMENT_FROM: Final = datetime.time(6)
"""Local time from which the statement of the day before is asked for."""
STATEMENT_AGAIN: Final = datetime.timedelta(minutes=30)
STATEMENT_DAYS: Final = 31
_DAY: Final = datetime.timedelta(days=1)


class Exchanges:
    """What one process does with exchanges and registries."""

    def __init__(
        self,
        database: "Database",
        keys: "KeyRing",
        box: "SecretBox",
        clock: Callable[[], datetime.datetime],
        http: "httpx.AsyncClient",
    ) -> None:
        self._database = database
        self._keys = keys
        self._box = box
        self._clock = clock
        self._http = http
        self._ports: dict[UUID, tuple[tuple[object, ...], ExchangePort]] = {}

    async def run(self) -> None:
        """Tell what is due, and compare a statement of each exchange."""
        async with self._database.driver_transaction() as driver:
            rows = await repository.connections(driver)
        ports = {row["id"]: self._port(row) for row in rows}
        began = time.monotonic()
        while ports and await self._tell_due(ports) and time.monotonic() - began < FOR_S:
            pass
        for row in rows:
            await self._compare_due(row, ports[row["id"]])

    def _port(self, row: "Row") -> ExchangePort:
        """The way to an exchange; kept with its token while the connection stays as it is."""
        shape = tuple(row.values())
        known = self._ports.get(row["id"])
        if known is not None and known[0] == shape:
            return known[1]
        keys = PartnerKeys(read_keys(row["jwks"]), row["code"], ISSUER)
        # Also for files, which need none: whoever cannot open it is no process of this deployment.
        secret = self._box.open(row["id"], row["sealed_secret"]).decode()
        made: ExchangePort
        if row["way"] == "files":
            made = ExchangeFiles(Path(row["folder"]), self._sign, keys, self._clock)
        else:
            made = ExchangeApi(
                self._http,
                row["url"],
                row["token_url"],
                row["client_id"],
                secret,
                self._sign,
                keys,
                self._clock,
            )
        self._ports[row["id"]] = (shape, made)
        return made

    def _sign(self, claims: dict[str, Any]) -> str:
        return signatures.sign(self._keys, str(claims["aud"]), claims, self._clock())

    async def _tell_due(self, ports: dict[UUID, ExchangePort]) -> int:
        now = self._clock()
        async with self._database.driver_transaction() as driver:
            due = await repository.take_due(driver, now, now + LEASE, AT_ONCE)
        await asyncio.gather(
            *(self._tell(row, ports[row["exchange_id"]]) for row in due if row["exchange_id"] in ports)
        )
        return len(due)

    async def _tell(self, row: "Row", port: ExchangePort) -> None:
        content = orjson.loads(row["content"])
        order = order_of(InstructionKind(row["kind"]), content)
        try:
            receipt = await carry_out(port, public_id("exi", row["id"]), order)
        except PartnerAway as away:
            waiting = isinstance(away, ExchangeWaiting)
            if not waiting:
                log.warning("exchange not told", kind=row["kind"], reason=str(away))
            await self._again(row, str(away), waiting=waiting)
        except PartnerRefused as refused:
            log.warning("exchange refused", kind=row["kind"], reason=str(refused))
            await self._settle(row, content, None, str(refused))
        else:
            await self._settle(row, content, receipt, "")

    async def _again(self, row: "Row", trouble: str, *, waiting: bool) -> None:
        """What was approved is told until it is answered: whether the exchange took it is not known before."""
        pause = (
            FIRST_PAUSE if waiting else min(FIRST_PAUSE * 2 ** min(row["attempts"] - 1, 10), LONGEST_PAUSE)
        )
        async with self._database.driver_transaction() as driver:
            await repository.again(driver, row["id"], row["attempts"], self._clock() + pause, trouble)

    async def _settle(
        self, row: "Row", content: dict[str, Any], receipt: Receipt | None, trouble: str
    ) -> None:
        now = self._clock()
        state, reference, done_on = InstructionState.REFUSED, "", None
        if receipt is not None:
            state, reference = InstructionState.DONE, receipt.reference
            done_on = receipt.at.astimezone(LOCAL).date()
        async with self._database.driver_transaction() as driver:
            if not await repository.settle(driver, row["id"], state, reference, done_on, trouble, now):
                return
            if receipt is None:
                await desk.let_go(driver, row["kind"], row["id"], now)
            elif row["kind"] == InstructionKind.RETIRE:
                await desk.retire_here(driver, row["delivery_id"], row["id"], content, now)

    async def _compare_due(self, row: "Row", port: ExchangePort) -> None:
        exchange_id, now = row["id"], self._clock()
        local = now.astimezone(LOCAL)
        last = local.date() - (_DAY if local.time() >= STATEMENT_FROM else 2 * _DAY)
        first = max(row["statements_from"], last - STATEMENT_DAYS * _DAY)
        if first > last:
            return
        async with self._database.driver_transaction() as driver:
            days = [first + _DAY * n for n in range((last - first).days + 1)]
            await repository.know_days(driver, exchange_id, days, now)
            day = await repository.take_day(driver, exchange_id, now, now + STATEMENT_AGAIN)
        if day is None:
            return
        statement, trouble = None, "no statement yet"
        try:
            statement = await port.statement(day)
        except (PartnerAway, PartnerRefused) as error:
            trouble = str(error)
        if statement is None:
            log.warning("statement of an exchange not compared", day=day.isoformat(), reason=trouble)
            async with self._database.driver_transaction() as driver:
                await repository.statement_trouble(driver, exchange_id, day, trouble)
            return
        await self._compare(exchange_id, statement)

    async def _compare(self, exchange_id: UUID, statement: Statement) -> None:
        now, day = self._clock(), statement.day
        named = [parse_public_id("exi", line.instruction) for line in statement.lines]
        async with self._database.driver_transaction() as driver:
            rows = await repository.done_instructions(
                driver, exchange_id, day, [each for each in named if each is not None]
            )
            found = compare(
                statement,
                {public_id("exi", row["id"]): row for row in rows},
                [public_id("exi", row["id"]) for row in rows if row["done_on"] == day],
                await repository.held_kg(driver, exchange_id, day),
            )
            if not await repository.mark_compared(driver, exchange_id, day, len(statement.lines), now):
                return
            ids = uuid7_batch(epoch_ms(now), len(found)) if found else []
            await repository.write_differences(
                driver,
                [
                    (
                        id_,
                        exchange_id,
                        day,
                        each.instruction,
                        each.kind,
                        each.region,
                        each.ours,
                        each.theirs,
                        now,
                    )
                    for id_, each in zip(ids, found, strict=True)
                ],
            )
        log.info(
            "statement of an exchange compared",
            day=day.isoformat(),
            lines=len(statement.lines),
            differences=len(found),
        )
