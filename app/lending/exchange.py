"""Banks are told by their own APIs, and their daily files are compared with what they reported.

A message is a row of the transaction that makes it true. It is told outside of transactions: leased before, settled
after, so that any number of processes may do it and one that dies leaves its rows to the others.
"""

import asyncio
import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

import orjson
import structlog

from accounts.ids import epoch_ms, public_id, uuid7_batch
from app.auth import signatures
from app.auth.tokens import ISSUER
from app.lending import exchange_repository as repository
from app.lending.reconciliation import compare
from dedup.periods import LOCAL
from integrations.bank.client import BankApi, Message
from integrations.bank.errors import BankAway, BankRefused
from integrations.partner.signing import PartnerKeys, read_keys

if TYPE_CHECKING:
    from typing import Any

    import httpx

    from accounts.repository import Driver, Row
    from app.auth.keys import KeyRing
    from app.database import Database
    from app.webhooks.signing import SecretBox
    from integrations.bank.files import FileLine

log = structlog.get_logger(__name__)
AT_ONCE: Final = 16
FOR_S: Final = 20.0
"""A run looks no longer for more to tell: what is left is for the next one."""
LEASE: Final = datetime.timedelta(minutes=2)
FIRST_PAUSE: Final = datetime.timedelta(seconds=10)
LONGEST_PAUSE: Final = datetime.timedelta(hours=1)
GIVE_UP_AFTER: Final = datetime.timedelta(days=7)
FILE_FROM: Final = datetime.time(6)
"""Local time from which the file of the day before is asked for."""
FILE_AGAIN: Final = datetime.timedelta(minutes=30)
FILE_DAYS: Final = 31
_DAY: Final = datetime.timedelta(days=1)


def name_of(bank_id: UUID) -> str:
    """What a bank is called in `iss` and `aud`."""
    return public_id("org", bank_id)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a bank is told, under which grant of whom. Notices of one subject are told in their order."""

    bank_id: UUID
    holder_id: UUID
    grant_id: UUID
    kind: str
    subject: str
    data: "Mapping[str, Any]"


async def tell(driver: "Driver", notices: "Sequence[Notice]", now: datetime.datetime) -> None:
    """Write messages for those of the banks that have an API of their own."""
    if notices:
        ids = uuid7_batch(epoch_ms(now), len(notices))
        await repository.insert_messages(
            driver,
            [
                (
                    id_,
                    each.bank_id,
                    each.holder_id,
                    each.grant_id,
                    each.kind,
                    each.subject,
                    orjson.dumps(dict(each.data)).decode(),
                    now,
                )
                for id_, each in zip(ids, notices, strict=True)
            ],
        )


class BankExchange:
    """What one process does with the APIs of banks."""

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
        self._apis: dict[UUID, tuple[tuple[object, ...], BankApi]] = {}

    async def run(self) -> None:
        """Tell what is due, and compare a file of each bank."""
        async with self._database.driver_transaction() as driver:
            rows = await repository.connections(driver)
        apis = {row["bank_id"]: self._api(row) for row in rows}
        began = time.monotonic()
        while apis and await self._tell_due(apis) and time.monotonic() - began < FOR_S:
            pass
        for row in rows:
            await self._compare_due(row, apis[row["bank_id"]])

    def _api(self, row: "Row") -> BankApi:
        """The API of a connection; kept with its token while the connection stays as it is."""
        shape = tuple(row.values())
        known = self._apis.get(row["bank_id"])
        if known is not None and known[0] == shape:
            return known[1]
        made = BankApi(
            self._http,
            row["url"],
            row["token_url"],
            row["client_id"],
            self._box.open(row["bank_id"], row["sealed_secret"]).decode(),
            self._sign,
            PartnerKeys(read_keys(row["jwks"]), name_of(row["bank_id"]), ISSUER),
            self._clock,
        )
        self._apis[row["bank_id"]] = (shape, made)
        return made

    def _sign(self, claims: "dict[str, Any]") -> str:
        return signatures.sign(self._keys, str(claims["aud"]), claims, self._clock())

    async def _tell_due(self, apis: dict[UUID, BankApi]) -> int:
        now = self._clock()
        async with self._database.driver_transaction() as driver:
            due = await repository.take_due(driver, now, now + LEASE, AT_ONCE)
        await asyncio.gather(*(self._tell(row, apis.get(row["bank_id"])) for row in due))
        return len(due)

    async def _tell(self, row: "Row", api: BankApi | None) -> None:
        if api is None:
            return
        message = Message(
            public_id("bmg", row["id"]),
            row["kind"],
            row["subject"],
            orjson.loads(row["data"]),
            row["happened_at"],
        )
        state, receipt, trouble = "delivered", "", ""
        try:
            if row["live"]:
                receipt = await api.deliver(message)
            else:
                state, trouble = "refused", "the holder's grant is over"
        except BankRefused as refused:
            state, trouble = "refused", str(refused)
        except BankAway as away:
            state, trouble = "pending", str(away)
        now = self._clock()
        if state == "pending" and now - row["happened_at"] > GIVE_UP_AFTER:
            state = "refused"
        if state != "delivered":
            log.warning("bank not told", kind=row["kind"], state=state, reason=trouble)
        async with self._database.driver_transaction() as driver:
            if state == "pending":
                pause = min(FIRST_PAUSE * 2 ** min(row["attempts"] - 1, 10), LONGEST_PAUSE)
                await repository.again(driver, row["id"], row["attempts"], now + pause, trouble)
            else:
                await repository.settle(driver, row["id"], row["attempts"], state, (receipt, trouble), now)

    async def _compare_due(self, row: "Row", api: BankApi) -> None:
        bank_id, now = row["bank_id"], self._clock()
        local = now.astimezone(LOCAL)
        last = local.date() - (_DAY if local.time() >= FILE_FROM else 2 * _DAY)
        first = max(row["files_from"], last - FILE_DAYS * _DAY)
        if first > last:
            return
        async with self._database.driver_transaction() as driver:
            days = [first + _DAY * n for n in range((last - first).days + 1)]
            await repository.know_days(driver, bank_id, days, now)
            day = await repository.take_day(driver, bank_id, now, now + FILE_AGAIN)
        if day is None:
            return
        try:
            lines = await api.daily_file(day)
            trouble = "no file yet" if lines is None else ""
        except (BankAway, BankRefused) as error:
            lines, trouble = None, str(error)
        if lines is None:
            log.warning("file of a bank not compared", day=day.isoformat(), reason=trouble)
            async with self._database.driver_transaction() as driver:
                await repository.file_trouble(driver, bank_id, day, trouble)
            return
        await self._compare(bank_id, day, lines)

    async def _compare(self, bank_id: UUID, day: datetime.date, lines: "list[FileLine]") -> None:
        now = self._clock()
        async with self._database.driver_transaction() as driver:
            loans = await repository.loans_of_day(driver, bank_id, day, [line.number for line in lines])
            found = compare(lines, loans)
            if not await repository.mark_compared(driver, bank_id, day, len(lines), now):
                return
            ids = uuid7_batch(epoch_ms(now), len(found)) if found else []
            await repository.write_differences(
                driver,
                [
                    (id_, bank_id, day, each.number, each.kind, each.region, each.ours, each.theirs, now)
                    for id_, each in zip(ids, found, strict=True)
                ],
            )
        log.info("file of a bank compared", day=day.isoformat(), lines=len(lines), differences=len(found))
