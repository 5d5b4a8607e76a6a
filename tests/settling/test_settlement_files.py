"""A statement as CSV that adds up and starts no formula, and as PDF whose font is inside and whose text is text."""

import csv
import io
from typing import Any

import pypdf
import pytest
import pytest_asyncio
from helpers import Caller, City
from settling.books import Books, Trader, at, client_of

from app.documents.amounts import in_words
from app.settling import statements
from points import settlement_csv

SINCE = at("2026-06-20 00:00")
TITLE = '=HYPERLINK("http://x","立减, 5 元")'
COMMANDS = ("=1+1", "+1", "-1", "@sum(A1)", "\t=1", "\r=1", " =1", "\n=1")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def traded(books: Books, city: City) -> tuple[Trader, Caller, dict[str, Any]]:
    """A merchant whose August is below zero and whose September has a bit of everything, corrected."""
    trader = await books.trader(
        SINCE, (500, 1250), titles=(TITLE, "图书券"), shops=("福田 “旗舰” 店", "+南山店")
    )
    holder = await books.holder()
    first = await books.redeem(trader, holder, "2026-07-15 12:00", times=2, shop=0)
    await books.issue(trader, "2026-08-01 00:00")
    for each in first:
        await books.refund(trader, each, "2026-08-10 12:00")
    await books.issue(trader, "2026-09-01 00:00")
    await books.redeem(trader, holder, "2026-09-05 08:30", times=30, shop=0)
    taken = await books.redeem(trader, holder, "2026-09-06 12:00", offer=1, times=9, shop=1)
    await books.refund(trader, taken[0], "2026-09-20 12:00")
    await books.issue(trader, "2026-10-01 00:00")
    merchant, operator = await client_of(city, trader), await city.client("operator", "440300")
    seen = (await merchant.get("/v1/merchant/settlements")).json()["items"][0]
    path = f"settlements/{seen['settlement_id']}"
    answer = await merchant.post(
        f"/v1/merchant/{path}/dispute", json={"reason": "少一笔"}, headers={"If-Match": str(seen["version"])}
    )
    body = {"reason": "已核对", "corrections": [{"line": 1, "fen": 250, "reason": "=补一笔"}]}
    answer = await operator.post(
        f"/v1/operator/{path}/resolution", json=body, headers={"If-Match": str(answer.json()["version"])}
    )
    assert answer.status_code == 200, answer.text
    return trader, merchant, answer.json()


async def fetched(caller: Caller, seen: dict[str, Any], ending: str, **headers: str) -> Any:
    path = f"/v1/merchant/settlements/{seen['settlement_id']}/statement.{ending}"
    answer = await caller.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert (
        answer.headers["content-disposition"]
        == f'attachment; filename="settlement-{seen["number"]}.{ending}"'
    )
    return answer


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("size", [3, statements.SLICE])
async def test_the_csv_adds_up(
    traded: tuple[Trader, Caller, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, language: str, size: int
) -> None:
    monkeypatch.setattr(statements, "SLICE", size)
    _, merchant, seen = traded
    answer = await fetched(merchant, seen, "csv", **{"Accept-Language": language})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    text = answer.content.decode("utf-8-sig")
    assert text.count("\r\n") == text.count("\n")
    head, *rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert head == [column[language == "zh"] for column in settlement_csv.COLUMNS]
    names = [name for name, _ in settlement_csv.COLUMNS]
    found = [dict(zip(names, row, strict=True)) for row in rows]
    assert seen["total_fen"] == -1000 + 30 * 500 + 9 * 1250 - 1250 + 250
    assert sum(int(each["fen"]) for each in found) == seen["total_fen"]
    assert sum(int(each["points"] or 0) for each in found) == seen["points"] == 380
    for each in found:
        yuan, _, cents = each["yuan"].lstrip("-").partition(".")
        sign = -1 if each["yuan"].startswith("-") else 1
        assert (len(cents), sign * (int(yuan) * 100 + int(cents))) == (2, int(each["fen"]))
    ids = [each["redemption_id"] for each in found if each["redemption_id"]]
    assert (len(ids), len(set(ids))) == (40, 39)
    kinds = [each["kind"] for each in found]
    words = {
        "zh": ("上期结转", "核销", "退款", "更正"),
        "en": ("opening", "redeemed", "refunded", "adjusted"),
    }
    opening, redeemed, refunded, adjusted = words[language]
    assert kinds == [opening, *[redeemed] * 39, refunded, adjusted]
    assert found[1]["booked_at"] == "2026-09-05T08:30:00+08:00"
    assert found[1]["offer"] == ("'" + TITLE if language == "zh" else "Offer of 500")
    assert {each["shop"] for each in found} == {"", "福田 “旗舰” 店", "'+南山店"}
    assert found[-1]["note"] == "'=补一笔"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_cell_is_a_formula(command: str) -> None:
    assert settlement_csv.safe(command) == "'" + command
    assert settlement_csv.safe("5 元 -1") == "5 元 -1"


async def test_the_pdf_has_its_font_and_its_text(traded: tuple[Trader, Caller, dict[str, Any]]) -> None:
    trader, merchant, seen = traded
    answer = await fetched(merchant, seen, "pdf")
    assert answer.headers["content-type"] == "application/pdf"
    read = pypdf.PdfReader(io.BytesIO(answer.content))
    fonts = [
        font.get_object()["/DescendantFonts"][0].get_object()
        for page in read.pages
        for font in page["/Resources"]["/Font"].get_object().values()
    ]
    assert fonts
    for font in fonts:
        # A subset that is inside the file: six letters, a plus, the font.
        assert "+NotoSansCJKsc" in font["/BaseFont"]
        described = font["/FontDescriptor"].get_object()
        inside = [described[name].get_object() for name in ("/FontFile2", "/FontFile3") if name in described]
        assert len(inside) == 1
        assert len(inside[0].get_data()) > 500
    text = "\n".join(page.extract_text() for page in read.pages)
    flat = "".join(text.split())
    wanted = (
        *(
            "商户结算单",
            "Settlement statement",
            seen["number"],
            trader.name,
            "深圳市",
            "2026-09-01 – 2026-09-30",
        ),
        *("已更正", "图书券", TITLE, "福田 “旗舰” 店", "少一笔", "=补一笔", "已核对"),
        *("-10.00", "262.50", "-12.50", "2.50", "242.50", "贰佰肆拾贰元伍角整", "第 1 页 / 共"),
    )
    for each in wanted:
        assert "".join(each.split()) in flat, each
    assert read.metadata is not None
    assert seen["number"] in str(read.metadata.title)


def test_amounts_in_words() -> None:
    for fen, words in {
        0: "零元整",
        1: "壹分",
        10: "壹角整",
        100: "壹元整",
        105: "壹元零伍分",
        10_050: "壹佰元伍角整",
        100_712: "壹仟零柒元壹角贰分",
        1_000_000: "壹万元整",
        1_000_100: "壹万零壹元整",
        10_020_000: "壹拾万零贰佰元整",
        10_200_000: "壹拾万贰仟元整",
        123_456_789_01: "壹亿贰仟叁佰肆拾伍万陆仟柒佰捌拾玖元零壹分",
        100_000_000_00: "壹亿元整",
        100_000_001_00: "壹亿零壹元整",
        100_010_000_00: "壹亿零壹万元整",
        100_100_000_00: "壹亿零壹拾万元整",
        111_001_000_00: "壹亿壹仟壹佰万壹仟元整",
    }.items():
        assert in_words(fen) == words
    for none in (-1, 10**18):
        with pytest.raises(ValueError, match="amount"):
            in_words(none)


def test_periods_and_amounts_as_they_are_read() -> None:
    assert statements.period(at("2026-09-01 00:00"), at("2026-10-01 00:00")) == "2026-09-01 – 2026-09-30"
    assert (
        statements.period(at("2026-09-01 00:00"), at("2026-09-02 15:30"))
        == "2026-09-01 00:00 – 2026-09-02 15:30"
    )
    assert [statements.grouped(fen) for fen in (0, -5, 123_456_789, -100)] == [
        "0.00",
        "-0.05",
        "1,234,567.89",
        "-1.00",
    ]
