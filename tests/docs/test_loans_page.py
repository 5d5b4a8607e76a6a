"""docs/loans.md: its examples run in their order, its verifier verifies, and its numbers are the code's."""

import asyncio
import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio
from agreements.people import signed_in
from banking.bench_of_bank import Counter
from helpers import Caller, City, metro
from pages import Reader, read_through

from app.application import create_app
from app.lending import exchange, statistics
from app.lending.decision import MOST_DISCOUNT_BP, MOST_LIMIT_BP, REASONS
from app.scoring.counting import BEHIND, count_deeds
from app.scoring.in_force import ScoreCards
from app.wiring import Services, utc_now
from dedup.periods import LOCAL

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "loans.md").read_text(encoding="utf-8")
TODAY = utc_now().astimezone(LOCAL).date()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def doors(service: Services) -> AsyncIterator[City]:
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield City(http, service)


async def test_the_page_of_loans_is_true(doors: City, service: Services, phone: str, tmp_path: Path) -> None:
    bank = await doors.client("bank", "440300", name="County bank")
    operator, platform = await doors.client("operator", "440000"), await doors.client("platform")
    person = signed_in(doors, await doors.holder(operator, phone, platform), phone)
    month = TODAY.replace(day=1)
    for _ in range(2):
        month = (month - dt.timedelta(days=1)).replace(day=1)
        for day in (3, 5, 9):
            start = f"{month.replace(day=day)}T08:00:00+08:00"
            act = metro(
                f"loans-{start}", phone, started_at=start, ended_at=start.replace("08:00:", "08:25:", 1)
            )
            assert (await platform.post("/v1/activities", json=act)).json()["outcome"] == "credited"
    await count_deeds(service.database, utc_now() + BEHIND)
    cards = ScoreCards.model_validate(
        {
            "region": "440300",
            "from": dt.date(2025, 1, 1),
            "cards": ({"card": "resident", "version": "1"},),
        }
    )
    service.live._points.cards = service.live._points.cards.with_sets([cards])
    counter = Counter(doors, bank, person)
    reference = (await counter.grant("report"))["reference"]
    page = PAGE.replace("2026-11-21", TODAY.isoformat()).replace("2026-11", f"{TODAY:%Y-%m}")
    callers: dict[str, Caller] = {"bank": bank, "operator": operator}
    await read_through(doors, page, callers, Reader({"cus_8f0f6a2f6cf14a5d9c4b7d0e3a52c9b1": reference}))
    await verified_as_the_page_says(doors, bank, reference, tmp_path)


async def verified_as_the_page_says(doors: City, bank: Caller, reference: str, folder: Path) -> None:
    made = (await bank.post("/v1/bank/reports", json={"reference": reference})).json()
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (folder / "verify.py").write_text(script)
    (folder / "keys.json").write_text((await doors.http.get("/v1/consent-texts/keys")).text)
    for jws, fine in ((made["jws"], True), (made["jws"][:-8] + "AAAAAAAA", False)):
        (folder / "report.jws").write_text(jws)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "verify.py", "report.jws", "keys.json"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is fine, done.stderr
        if fine:
            assert json.loads(done.stdout) == made["report"]


def test_the_numbers_of_the_page() -> None:
    assert f"1.5 times ({MOST_LIMIT_BP}) or a discount of {MOST_DISCOUNT_BP}:" in PAGE
    assert f"fewer than {statistics.SMALLEST_GROUP} holders" in PAGE
    assert f"again after {exchange.FIRST_PAUSE.seconds} seconds" in PAGE
    assert dt.timedelta(weeks=1) == exchange.GIVE_UP_AFTER
    assert f"From {exchange.FILE_FROM:%H:%M} on" in PAGE
    for code in REASONS:
        assert f"`{code}`" in PAGE or f'"{code}"' in PAGE
