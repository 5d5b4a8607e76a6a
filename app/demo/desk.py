"""The made-up plant's label and alert, and what a bank quotes to it and to a resident; through the HTTP API."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from app.demo.city import SHANGHAI
from app.demo.plant_data import REGION
from app.replay.api import Api, ApiError

BANK_NAME: Final = "示范银行 Demonstration bank"
CARD: Final = "wendeng"
_NATION: Final = "100000"
_DOOR: Final = "/v1/enterprises"
_MADE_UP: Final = {"reason": "demonstration 演示"}
_KNOWN_S: Final = 20.0
_LOOKED_S: Final = 0.2
_VALID_DAYS: Final = 90
_FIGURES: Final = (
    {"measure": "output", "product": "rolled_steel", "amount": 48_000_000_000, "unit": "g"},
    {"measure": "value_added", "amount": 3_900_000_000, "unit": "fen"},
    {"measure": "tax", "amount": 520_000_000, "unit": "fen"},
)
_RULES: Final[dict[str, Any]] = {
    "region": REGION,
    "name": {"zh": "示范规则(非官方)", "en": "Rules of the demonstration (made up)"},
    "official": False,
    "scales": [
        {
            "domain": "industry",
            "industry": "C31",
            "products": [{"code": "rolled_steel", "unit": "g", "equivalent": "1"}],
            "against_industry": {
                "weight": 100,
                "points": [
                    {"ratio": "0.7", "points": 100},
                    {"ratio": "1", "points": 60},
                    {"ratio": "1.6", "points": 0},
                ],
                "indicators": [
                    {"indicator": "per_product", "weight": 50, "benchmark": "130"},
                    {"indicator": "per_value_added", "weight": 30, "benchmark": "157"},
                    {"indicator": "per_tax", "weight": 20, "benchmark": "1240"},
                ],
            },
            "thresholds": {"yellow": 30, "light_green": 60, "dark_green": 85},
        }
    ],
}
_PRODUCTS: Final[tuple[dict[str, Any], ...]] = (
    {
        "code": "demo-person",
        "name": {"zh": "居民绿色贷(示例)", "en": "Green loan for residents (example)"},
        "holder_kind": "person",
        "basis": "tier",
        "card": CARD,
        "table": [
            {"level": "light_green", "limit": (10_000, 10_500), "discount": (0, 10)},
            {"level": "medium_green", "limit": (10_500, 12_000), "discount": (10, 50)},
            {"level": "deep_green", "limit": (12_000, 13_000), "discount": (50, 100)},
        ],
        "source": "made up; deep green as 文登农商银行, 大众日报 2023-04-20",
    },
    {
        "code": "demo-enterprise",
        "name": {"zh": "企业碳标签贷(示例)", "en": "Label loan for enterprises (example)"},
        "holder_kind": "organisation",
        "basis": "label",
        "table": [
            {"level": "light_green", "limit": (10_000, 12_000), "discount": (0, 50)},
            {"level": "dark_green", "limit": (10_000, 15_000), "discount": (0, 100)},
        ],
        "source": "made up; dark green as 衢州日报 2021-12",
    },
)
_WISHES: Final = {
    "demo-person": {"limit_fen": 20_000_000, "rate_bp": 485},
    "demo-enterprise": {"limit_fen": 800_000_000, "rate_bp": 435},
}


@dataclass(slots=True)
class Desk:
    """What is shown."""

    label: dict[str, Any] = field(default_factory=dict)
    """Year, colour, points, the costliest reason, and what would reach the next colour."""
    alert: dict[str, Any] = field(default_factory=dict)
    """Of the hot line; empty where none was opened."""
    alerts: int = 0
    quotes: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        return asdict(self)

    def render(self, console: Console) -> None:
        """Print it for a person."""
        table = Table(
            title="Label, alert, quotes 碳标签、预警、银行报价",
            title_justify="left",
            show_header=False,
            box=None,
            padding=(0, 2),
        )
        table.add_column(justify="left")
        table.add_column(justify="left")
        table.add_column(style="dim", overflow="fold")
        if self.label:
            told = f"{self.label['colour']}, {self.label['points']} points, trial 试评"
            table.add_row(f"Label 碳标签 {self.label['year']}", told, self.label["reason"])
            if self.label["better"]:
                table.add_row(f"  {self.label['next']} by", self.label["better"], "each alone 任一即可")
        if self.alert:
            share = self.alert["amount"] * 100 // self.alert["expected"] - 100
            since = dt.datetime.fromisoformat(self.alert["starts_at"]).astimezone(SHANGHAI)
            told = f"{self.alert['meter_number']}: +{share} %, since {since:%H:%M}"
            table.add_row(f"Alerts 预警 {self.alerts}", told, f"{self.alert['kind']}, {self.alert['state']}")
        for quote in self.quotes:
            table.add_row(
                f"Quote 报价, {quote['whom']}", _terms(quote), f"{quote['level']}: {quote['reason']}"
            )
        console.print(table)


def _terms(quote: Mapping[str, Any]) -> str:
    if not quote["eligible"]:
        return "not eligible 不符合"
    low, high = quote["limit_from_fen"] // 100, quote["limit_to_fen"] // 100
    return f"limit ¥ {low:,}–{high:,}, {quote['rate_from_bp'] / 100:.2f}–{quote['rate_to_bp'] / 100:.2f} %"


async def put_in_force(operators: tuple[Api, Api], today: dt.date) -> None:
    """Label rules and score cards from today on, drafted by one operator and approved by the other.

    The service takes days to come only: both are asked as long before as it wants.
    """
    maker, checker = operators
    rules = _RULES | {"from": today.isoformat()}
    cards = (await maker.get("/v1/score-cards"))["items"]
    version = next(card["version"] for card in cards if card["card"] == CARD)
    chosen = {
        "region": _NATION,
        "from": today.isoformat(),
        "cards": [{"card": CARD, "version": version}],
    }
    for door, text in (("label-rules", rules), ("score-cards", chosen)):
        drafted = await maker.post(f"/v1/operator/{door}", text)
        path = f"/v1/operator/{door}/{drafted['id']}/approval"
        try:
            await checker.post(path, _MADE_UP, etag=drafted["etag"])
        except ApiError as error:
            # A demonstration that was interrupted had them approved.
            if error.code != "programme.day_taken":
                raise


async def has_label(plant: Api) -> bool:
    """Whether the plant was labelled before."""
    try:
        await plant.get(f"{_DOOR}/label")
    except ApiError as error:
        if error.code != "label.none":
            raise
        return False
    return True


async def report_figures(plant: Api, today: dt.date) -> None:
    """Last year's output, value added and tax."""
    document = {"title": "示范年报 made-up annual report", "number": "DEMO-1", "issued_on": today.isoformat()}
    year = {"year": today.year - 1, "document": document}
    await plant.post(f"{_DOOR}/figures", {"figures": [each | year for each in _FIGURES]})


async def begin_label(operator: Api, year: int) -> str:
    """The id of the run that labels the plant."""
    body = {"region": REGION, "year": year} | _MADE_UP
    run = await _once_known("label.no_rules", lambda: operator.post("/v1/operator/label-runs", body))
    return str(run["run_id"])


async def publish_label(operator: Api, run_id: str) -> None:
    """As a trial: the rules are made up."""
    await operator.post(f"/v1/operator/label-runs/{run_id}/publication", {"official": False} | _MADE_UP)


async def read_plant(plant: Api, hot_meter_id: str, shown: Desk) -> None:
    """The plant's label with what would make it better, and its alert."""
    label = await plant.get(f"{_DOOR}/label")
    costliest = label["reasons"][0] if label["reasons"] else {}
    following = {"red": "yellow", "yellow": "light_green", "light_green": "dark_green"}.get(
        label["colour"], ""
    )
    better = ""
    if following:
        found = await plant.get(f"{_DOOR}/label/improvement", colour=following)
        better = "; ".join(
            f"{each['figure']} {_percent(each['change'], each['present']):+d} %"
            for each in found["changes"]
            if each["change"] is not None and each["present"]
        )
    shown.label = {
        "year": label["year"],
        "colour": label["colour"],
        "points": label["points"],
        "reason": costliest.get("zh", ""),
        "next": following,
        "better": better,
    }
    alerts = (await plant.get(f"{_DOOR}/alerts", limit=200))["items"]
    shown.alerts = len(alerts)
    shown.alert = next((each for each in alerts if each["meter_id"] == hot_meter_id), {})


def _percent(change: int, present: int) -> int:
    """Away from zero: a little less than that reaches it."""
    whole = -(-abs(change) * 100 // present)
    return whole if change > 0 else -whole


async def quote(bank: Api, bank_id: str, plant: Api, residents: Sequence[str], now: dt.datetime) -> list[Any]:
    """Quotes for the greenest of some residents, whose tokens are given, and for the plant, by their own grants."""
    before = (await bank.get("/v1/bank/products", limit=50))["items"]
    known = {each["code"]: str(each["product_id"]) for each in before}
    person, enterprise = [
        {"product_id": known.get(product["code"]) or await _offered(bank, product, now)}
        | _WISHES[product["code"]]
        for product in _PRODUCTS
    ]
    texts = (await plant.get("/v1/consent-texts"))["items"]
    version = next(each["version"] for each in texts if each["covers"] == "banks")
    until = (now + dt.timedelta(days=_VALID_DAYS)).isoformat()
    grant = {
        "bank_id": bank_id,
        "purpose": "loan_application",
        "scope": "tier",
        "valid_until": until,
        "text_version": version,
    }
    quotes = []
    if residents:
        scores = [await _score(bank, token) for token in residents]
        chosen = residents[scores.index(max(scores))]
        granted = await bank.post("/v1/me/bank-grants", grant, token=chosen)
        quotes.append(await _quoted(bank, person, granted["reference"], "a resident 居民"))
    granted = await plant.post(f"{_DOOR}/bank-grants", grant)
    quotes.append(await _quoted(bank, enterprise, granted["reference"], "the plant 企业"))
    return quotes


async def _score(bank: Api, token: str) -> int:
    """By the residents' own token; the bank's connection only carries it."""
    found = await _once_known("score.card_not_found", lambda: bank.get(f"/v1/me/scores/{CARD}", token=token))
    return int(found["points"]) if found["tier"] else -1


async def _offered(bank: Api, product: Mapping[str, Any], now: dt.datetime) -> str:
    table = [
        {
            "level": each["level"],
            "limit_from_bp": each["limit"][0],
            "limit_to_bp": each["limit"][1],
            "discount_from_bp": each["discount"][0],
            "discount_to_bp": each["discount"][1],
        }
        for each in product["table"]
    ]
    today = now.astimezone(SHANGHAI).date().isoformat()
    made = await bank.post("/v1/bank/products", {**product, "table": table, "valid_from": today})
    return str(made["product_id"])


async def _quoted(bank: Api, wish: Mapping[str, Any], reference: str, whom: str) -> dict[str, Any]:
    found = await bank.post("/v1/bank/quotes", {"reference": reference, **wish})
    terms = ("eligible", "limit_from_fen", "limit_to_fen", "rate_from_bp", "rate_to_bp")
    told = {name: found[name] for name in terms}
    return told | {"whom": whom, "level": found["basis"]["level"], "reason": found["reason"]["zh"]}


async def _once_known(code: str, ask: Callable[[], Awaitable[Any]]) -> Any:
    """Processes look at what was put in force every few seconds."""
    waited = 0.0
    while True:
        try:
            return await ask()
        except ApiError as error:
            if error.code != code or waited > _KNOWN_S:
                raise
        await asyncio.sleep(_LOOKED_S)
        waited += _LOOKED_S
