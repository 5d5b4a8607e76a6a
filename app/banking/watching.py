"""The job that tells banks of falls: customers whom they monitor, as the newest snapshots and labels have them.

By webhooks, and by the bank's own API where it has one.
"""

import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.ids import public_id
from accounts.labels.queries import current_labels
from accounts.labels.scoring import ORDER, Colour
from accounts.scores import queries
from app.banking import answers, monitors
from app.banking.repository import bank_name
from app.banking.terms import Purpose
from app.lending.exchange import Notice, tell
from app.my_data import access
from app.scoring.schemas import reason_view
from app.webhooks import events
from app.webhooks.outbox import Event, tell_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.labels.queries import Label
    from accounts.repository import Driver, Row
    from accounts.scores.model import Score
    from app.database import Database
    from app.scoring.in_force import CardsInForce


async def watch(database: "Database", cards: "CardsInForce", now: datetime.datetime) -> int:
    """Look at all who are monitored, a page of a bank a commit; answers how many falls were told."""
    async with database.driver_transaction() as driver:
        watching = await monitors.banks(driver)
    told = 0
    for bank_id in watching:
        after: UUID | None = None
        while True:
            async with database.driver_transaction() as driver:
                rows, after = await monitors.hold_granted(driver, bank_id, after, monitors.BATCH, now)
                told += await _look(driver, cards, bank_id, rows, now)
            if after is None:
                break
    return told


async def _look(
    driver: "Driver", cards: "CardsInForce", bank_id: UUID, rows: "Sequence[Row]", now: datetime.datetime
) -> int:
    """Tell what fell since the bank was told last, with its line in the access log, and remember what is now."""
    if not rows:
        return 0
    holders = [row["holder_id"] for row in rows]
    scores = {(each.holder_id, each.card): each for each in await queries.latest(driver, holders)}
    labels = await current_labels(driver, holders)
    name = await bank_name(driver, bank_id) or ""
    falls: list[Event] = []
    notices: list[Notice] = []
    seen = []
    asked = []
    for row in rows:
        score, label = scores.get((row["holder_id"], row["card"])), labels.get(row["holder_id"])
        found = [
            *_tier_fell(bank_id, row, score, cards),
            *_label_fell(bank_id, row, label),
        ]
        falls += found
        notices += [
            Notice(bank_id, row["holder_id"], row["grant_id"], each.type, each.subject, each.data)
            for each in found
        ]
        asked += [
            access.Asked(
                bank_id,
                name,
                "monitoring",
                Purpose.POST_LOAN_MONITORING.value,
                row["holder_id"],
                public_id("bgr", row["grant_id"]),
                None,
            )
            for _ in found
        ]
        seen.append(
            (
                row["holder_id"],
                row["tier"] if score is None else score.tier,
                row["label"] if label is None else label.colour.value,
            )
        )
    await access.record_asked(driver, asked, now)
    await tell_now(driver, falls, now)
    await tell(driver, notices, now)
    await monitors.remember(driver, bank_id, seen, now)
    return len(falls)


def _tier_fell(bank_id: UUID, row: "Row", score: "Score | None", cards: "CardsInForce") -> list[Event]:
    """Its tier is lower in the order of the card's text, or there is too little data for one now."""
    if score is None or row["tier"] is None or score.tier == row["tier"]:
        return []
    card = cards.shipped.find(score.card, score.version)
    order = [] if card is None else [each.tier for each in card.text.tiers.rows]
    if row["tier"] not in order or (
        score.tier in order and order.index(score.tier) > order.index(row["tier"])
    ):
        return []
    data = answers.tier_view(score) | {"from_tier": row["tier"], "to_tier": score.tier}
    if monitors.tells_reasons(row["scope"]):
        data["reasons"] = [reason_view(each) for each in score.reasons]
    return [_event(bank_id, events.TIER_FALLEN, row, data)]


def _label_fell(bank_id: UUID, row: "Row", label: "Label | None") -> list[Event]:
    """Its colour is worse, or there is none any more for want of figures."""
    if label is None or row["label"] is None:
        return []
    if ORDER.index(label.colour) >= ORDER.index(Colour(row["label"])):
        return []
    data = answers.label_view(label, detail=False) | {
        "from_colour": row["label"],
        "to_colour": label.colour.value,
    }
    del data["detail"]
    if monitors.tells_reasons(row["scope"]):
        data["reasons"] = answers.label_detail(label)["reasons"]
    return [_event(bank_id, events.LABEL_FALLEN, row, data)]


def _event(bank_id: UUID, event_type: str, row: "Row", data: dict[str, Any]) -> Event:
    reference = public_id("cus", row["reference"])
    return Event(
        bank_id,
        event_type,
        reference,
        {"reference": reference, "grant_id": public_id("bgr", row["grant_id"]), **data},
    )
