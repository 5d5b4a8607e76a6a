"""Certificates that a payment brings in its own commit: of shares, of a part, and of an event that is neutral now."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.event_footprints.computing import whole_kg
from accounts.event_footprints.items import catalogue
from accounts.quantities import grams
from accounts.units.ranges import UnitRange
from accounts.units.serials import Serial, parse_serial, print_serial
from accounts.units.service import find_retirement
from app.certificates import service as certificates
from app.certificates.content import MOST_SERIALS, CertificateKind, Content, Fact
from app.events import repository
from app.events.service import beneficiary_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from accounts.units.service import Retirement
    from app.auth.keys import KeyRing
    from app.events.repository import Row


async def certify(
    driver: "asyncpg.Connection",
    keys: "KeyRing",
    order: "Row",
    event: "Row",
    retired: "Retirement",
    now: datetime.datetime,
) -> None:
    """Issue what a paid order earns; again gives the same ones."""
    shares = await repository.shares_of_order(driver, order["id"])
    serials = [parse_serial(each) for each in retired.serials]
    for share in shares:
        wanted = min(whole_kg(share["co2e_mg"]), sum(len_of(each) for each in serials))
        if not wanted:
            break
        own, serials = split(serials, wanted)
        content = _content(event, wanted, own, "参与者份额", "share of a participant", share["holder_id"])
        await certificates.issue(driver, keys, CertificateKind.PARTICIPANT_SHARE, share["id"], content, now)
    if not shares and order["kg"] < event["kg"]:
        buyer = None if event["of_enterprise"] else order["buyer_id"]
        content = _content(event, order["kg"], serials, "部分注销", "retirement of a part", buyer)
        await certificates.issue(driver, keys, CertificateKind.RETIREMENT, order["id"], content, now)
    if event["paid_kg"] == event["kg"]:
        found: list[Serial] = []
        for paid in await repository.paid_orders(driver, event["id"]):
            other = await find_retirement(driver, paid)
            found += [] if other is None else [parse_serial(each) for each in other.serials]
        organiser = None if event["of_enterprise"] else event["organiser_id"]
        content = _content(event, event["kg"], found, "碳中和", "carbon neutrality", organiser)
        await certificates.issue(driver, keys, CertificateKind.NEUTRAL_EVENT, event["id"], content, now)


def len_of(serial: Serial) -> int:
    """Units, each 1 kg, of a serial."""
    return serial.units.quantity_kg


def split(serials: "Sequence[Serial]", kg: int) -> tuple[list[Serial], list[Serial]]:
    """The first so many units of serials, and the rest of them."""
    taken: list[Serial] = []
    rest: list[Serial] = []
    for each in serials:
        here = min(kg, len_of(each))
        middle = each.units.first + here
        if here:
            taken.append(_of(each, each.units.first, middle))
        if middle < each.units.end:
            rest.append(_of(each, middle, each.units.end))
        kg -= here
    return taken, rest


def _of(serial: Serial, first: int, upper: int) -> Serial:
    return Serial(serial.region, serial.methodology, serial.vintage, UnitRange(first, upper))


def _content(
    event: "Row", kg: int, serials: "Sequence[Serial]", zh: str, en: str, holder_id: UUID | None
) -> Content:
    """What a certificate of an event says: nothing of a person, and of a resident's event no title."""
    kind = next(each for each in catalogue().kinds if each.id == event["kind"])
    beneficiary = beneficiary_of(event)
    facts = [
        Fact("活动类别", "Kind of event", f"{kind.zh} {kind.en}"),
        Fact("活动日期", "Day of the event", event["day"].isoformat()),
        Fact("活动排放量（g CO2e）", "Emissions of the event, g CO2e", grams(event["co2e_mg"])),
        Fact("参与人数", "Participants", str(event["participants"])),
    ]
    if event["of_enterprise"] and event["department"]:
        facts.append(Fact("填报部门", "Department", event["department"]))
    if len(serials) > MOST_SERIALS:
        facts.append(
            Fact("未列出的编号段数", "Serials that are not listed", str(len(serials) - MOST_SERIALS))
        )
    return Content(
        region=event["region"],
        quantity_kg=kg,
        zh=f"{beneficiary}：{zh}",
        en=f"{beneficiary}: {en}",
        beneficiary=beneficiary,
        facts=tuple(facts),
        serials=tuple(print_serial(each) for each in serials[:MOST_SERIALS]),
        holder_id=holder_id,
    )
