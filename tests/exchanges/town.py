"""A connected exchange, two operators and an account with units, for tests and made-up calls that are to succeed."""

import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from exchanges.exchange_system import ExchangeSystem
from helpers import City
from lending.bank_system import CLIENT, SECRET, jws
from offsets.firm import Firm

from accounts.ids import uuid7
from app.exchanges import repository
from app.exchanges.models import ExchangeConnection
from app.exchanges.telling import Exchanges
from app.webhooks.signing import SecretBox
from app.wiring import utc_now
from dedup.periods import LOCAL
from integrations import outbound

BOX = SecretBox(b"y" * 32)
DOOR = "/v1/operator/exchange-instructions"
REASON = {"json": {"reason": "checked"}}


class Clock:
    def __init__(self) -> None:
        self.ahead = datetime.timedelta(0)

    def __call__(self) -> datetime.datetime:
        return utc_now() + self.ahead


class Town:
    """The exchange of one way (`http`, `files`), and the firm whose units go there."""

    def __init__(self, city: City, firm: Firm, system: ExchangeSystem, folder: Path | None) -> None:
        self.city, self.firm, self.system, self.folder = city, firm, system, folder
        self.clock, self.http = Clock(), outbound.client()
        system.clock = lambda: self.clock().timestamp()
        service = city.service
        self.exchanges = Exchanges(service.database, service.tokens.keys, BOX, self.clock, self.http)

    @classmethod
    async def made(cls, city: City, code: str, folder: Path | None = None) -> "Town":
        keys = city.service.tokens.keys

        def ours() -> dict[str, bytes]:
            return {key.kid: key.public.public_bytes_raw() for key in keys.verifying(utc_now())}

        return cls(city, await Firm.made(city), ExchangeSystem(code, our_keys=ours), folder)

    async def connect(self) -> None:
        id_ = uuid7(utc_now())
        row = ExchangeConnection(
            id=id_,
            code=self.system.name,
            name="绿色交易所",
            region="440000",
            way="http" if self.folder is None else "files",
            url=self.system.url if self.folder is None else "",
            token_url=self.system.url + "/oauth/token",
            client_id=CLIENT,
            sealed_secret=BOX.seal(id_, SECRET.encode()),
            folder="" if self.folder is None else str(self.folder),
            jwks=self.system.jwks(),
            statements_from=utc_now().astimezone(LOCAL).date(),
            created_at=utc_now(),
        )
        async with self.city.service.database.driver_transaction() as driver:
            assert await repository.connect(driver, row) == id_
            assert await repository.connect(driver, row) == id_

    async def account_id(self, who: Any = None) -> str:
        account = await (who or self.firm.firm).get("/v1/market/account")
        return str(account.json()["account_id"])

    async def stage(self, kind: str, **order: Any) -> Any:
        body = {"order": {"exchange": self.system.name, "kind": kind, **order}}
        return await self.firm.one.post(DOOR, json=body)

    async def staged(self, kind: str, **order: Any) -> str:
        answer = await self.stage(kind, **order)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["instruction_id"])

    async def approved(self, kind: str, **order: Any) -> str:
        made = await self.staged(kind, **order)
        answer = await self.firm.two.post(f"{DOOR}/{made}/approval", **REASON)
        assert answer.status_code == 200, answer.text
        return made

    async def opened(self, who: Any = None) -> str:
        """An account at the exchange."""
        return await self.done("open_account", account_id=await self.account_id(who))

    async def done(self, kind: str, **order: Any) -> str:
        made = await self.approved(kind, **order)
        await self.run()
        assert (await self.state(made))["state"] == "done"
        return made

    async def delivered(self, kg: int = 2_000) -> str:
        origin = await self.firm.units(kg)
        return await self.done(
            "deliver_units", account_id=await self.account_id(), origin_id=origin, quantity_kg=kg
        )

    async def run(self, ahead: datetime.timedelta = datetime.timedelta(0)) -> None:
        self.clock.ahead = ahead
        try:
            await self.exchanges.run()
        finally:
            self.clock.ahead = datetime.timedelta(0)

    async def state(self, instruction_id: str) -> dict[str, Any]:
        return dict((await self.firm.one.get(f"{DOOR}/{instruction_id}")).json())

    def answer_files(self, *, forged: bool = False) -> list[dict[str, Any]]:
        """What a courier brings back: an answer to each file that lies there; what lay there."""
        assert self.folder is not None
        key = Ed25519PrivateKey.generate() if forged else self.system.key
        (self.folder / "in").mkdir(exist_ok=True)
        found = []
        for file in sorted((self.folder / "out").glob("*.jws")):
            told = self.system.opened(file.read_text())
            assert file.stem == told["jti"]
            answer = (
                self.system.answer(told) if not forged else {"in_reply_to": told["jti"], "status": "accepted"}
            )
            self.write(file.name, answer, key)
            found.append(told)
        return found

    def write(self, name: str, claims: dict[str, Any], key: Any = None) -> None:
        assert self.folder is not None
        told = {
            "iss": self.system.name,
            "aud": self.system.ours,
            "iat": int(self.clock().timestamp()),
            **claims,
        }
        (self.folder / "in").mkdir(parents=True, exist_ok=True)
        (self.folder / "in" / name).write_text(jws(key or self.system.key, told))


def uuid_of(public: str) -> UUID:
    return UUID(public.partition("_")[2])
