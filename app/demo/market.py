"""A made-up café in Shenzhen: residents redeem, it takes their codes, and is settled with; all over the HTTP API."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from app.replay.api import Api, ApiError

MERCHANT_NAME: Final = "深圳湾咖啡 Bay Coffee"
SECOND_OPERATOR_NAME: Final = "Second demo operator"
REGION: Final = "440300"
_VALID_DAYS = 365
_OFFERS: Final = (
    ("cash_off", "qr", "咖啡立减 5 元", "5 yuan off a coffee", 200, 500),
    ("voucher", "generated", "手冲咖啡券", "Voucher for a filter coffee", 300, 1800),
    ("public_good", "none", "种一棵红树", "Plant a mangrove", 100, 1000),
)
_MARKET: Final = "/v1/merchant"
_SETTLEMENTS: Final = "settlements"


@dataclass(slots=True)
class MarketDay:
    """What happened at the café, and its statement."""

    redeemed: int = 0
    points: int = 0
    refused: int = 0
    """Codes that a second till was shown."""
    refunded: int = 0
    number: str = ""
    payable_fen: int = 0
    state: str = ""
    statement: str = ""
    """Where the PDF lies."""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}

    def render(self, console: Console) -> None:
        """Print it for a person."""
        if not self.number:
            return
        table = Table(
            title="At a café 商户", title_justify="left", show_header=False, box=None, padding=(0, 2)
        )
        table.add_column(justify="left")
        table.add_column(justify="right")
        table.add_column(style="dim", overflow="fold")
        table.add_row("Redeemed 核销", f"{self.redeemed:,}", f"{self.points:,} points 积分")
        table.add_row("  shown at a second till 重复出示", f"{self.refused:,}", "refused 拒绝")
        table.add_row("  refunded 退款", f"{self.refunded:,}", "")
        yuan, fen = divmod(self.payable_fen, 100)
        table.add_row("Statement 结算单", f"¥ {yuan:,}.{fen:02d}", f"{self.number}, {self.state}")
        console.print(table)
        console.print(f"  the statement   {self.statement}", highlight=False, soft_wrap=True)


async def run_market(
    operators: tuple[Api, Api], merchant: Api, merchant_id: str, shoppers: Sequence[str], folder: Path
) -> MarketDay:
    """Offer, redeem, take, settle and pay; `shoppers` are tokens of residents with points.

    A café that was settled with before is left as it is: nothing is redeemed again. Raises `ApiError`.
    """
    day = MarketDay()
    before = (await merchant.get(f"{_MARKET}/{_SETTLEMENTS}", limit=1))["items"]
    if not before:
        await _trade(operators[0], merchant, shoppers, day)
        settled = await _settle(operators, merchant, merchant_id)
    else:
        settled = before[0]
        day.redeemed, day.refunded, day.points = settled["redeemed"], settled["refunded"], settled["points"]
    day.number, day.state, day.payable_fen = settled["number"], settled["state"], settled["payable_fen"]
    path = folder / f"settlement-{day.number}.pdf"
    source = f"{_MARKET}/{_SETTLEMENTS}/{settled['settlement_id']}/statement.pdf"
    path.write_bytes(b"".join([piece async for piece in merchant.download(source)]))
    day.statement = str(path)
    return day


async def _trade(operator: Api, merchant: Api, shoppers: Sequence[str], day: MarketDay) -> None:
    shop = await merchant.post(f"{_MARKET}/shops", {"name": "深圳湾店"})
    path = f"{_MARKET}/shops/{shop['shop_id']}/tills"
    tills = [(await merchant.post(path, {"name": name}))["till_id"] for name in ("1", "2")]
    offers = [await _offer(operator, merchant, *each) for each in _OFFERS]
    await asyncio.gather(*(_shop(merchant, who, offers, tills, day) for who in shoppers))
    items = (await merchant.get(f"{_MARKET}/redemptions", limit=200, state="fulfilled"))["items"]
    taken = [each for each in items if each["offer_id"] == offers[0]]
    if taken:
        path = f"{_MARKET}/redemptions/{taken[0]['redemption_id']}/refund"
        await merchant.post(path, {"reason": "牛奶用完 out of milk"})
        day.refunded += 1


async def _offer(
    operator: Api, merchant: Api, kind: str, delivery: str, zh: str, en: str, points: int, fen: int
) -> str:
    now = dt.datetime.now(dt.UTC)
    body = {
        "region": REGION,
        "kind": kind,
        "delivery": delivery,
        "title": {"zh": zh, "en": en},
        "price_points": points,
        "settle_fen": fen,
        "stock": 1000,
        "valid_from": (now - dt.timedelta(hours=1)).isoformat(),
        "valid_until": (now + dt.timedelta(days=_VALID_DAYS)).isoformat(),
    }
    offer = await merchant.post(f"{_MARKET}/offers", body)
    name = str(offer["offer_id"])
    offer = await merchant.post(f"{_MARKET}/offers/{name}/submission", {}, etag=offer["version"])
    step = {"reason": "demonstration"}
    await operator.post(f"/v1/operator/offers/{name}/approval", step, etag=offer["version"])
    return name


async def _shop(merchant: Api, who: str, offers: Sequence[str], tills: Sequence[str], day: MarketDay) -> None:
    """One resident takes one of each, as long as the points last; the QR is shown at both tills at once."""
    mine = "/v1/me/redemptions"
    for offer in offers:
        try:
            bought = await merchant.post(mine, {"offer_id": offer, "confirm": True}, token=who)
        except ApiError as error:
            if error.code != "redemption.points_short":
                raise
            return
        day.redeemed += 1
        day.points += bought["points"]
        if bought["delivery"] == "none":
            continue
        code = bought["code"]
        if code is None:
            code = (await merchant.get(f"{mine}/{bought['redemption_id']}/code", token=who))["code"]
        door = f"{_MARKET}/redemptions/verification"
        answers = await asyncio.gather(
            *(merchant.post(door, {"code": code, "till_id": till}) for till in tills), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, ApiError) and answer.code == "redemption.already_fulfilled":
                day.refused += 1
            elif isinstance(answer, BaseException):
                raise answer


async def _settle(operators: tuple[Api, Api], merchant: Api, merchant_id: str) -> dict[str, Any]:
    """Issued by one operator, agreed with, proposed for payment, and approved by the other one."""
    maker, checker = operators
    ends_at = dt.datetime.now(dt.UTC).isoformat()
    body = {"merchant_id": merchant_id, "region": REGION, "ends_at": ends_at}
    issued = await maker.post(f"/v1/operator/{_SETTLEMENTS}", body)
    name, today = issued["settlement_id"], str(dt.datetime.now(dt.UTC).date())
    steps: tuple[tuple[Api, str, str, dict[str, Any]], ...] = (
        (merchant, "merchant", "agreement", {}),
        (maker, "operator", "payment", {"bank_reference": "DEMO-0001", "paid_on": today}),
        (checker, "operator", "payment/approval", {"reason": "demonstration"}),
    )
    seen: dict[str, Any] = issued
    for api, audience, step, said in steps:
        path = f"/v1/{audience}/{_SETTLEMENTS}/{name}/{step}"
        seen = await api.post(path, said, etag=seen["version"])
    return seen
