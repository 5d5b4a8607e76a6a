"""One slice of a recalculation: some holders' acts read under their locks, decided again, and written in one commit."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from accounts import repository as ledger
from accounts.ids import epoch_ms, moment_ms, uuid7_batch
from accounts.models import AccountKind, EntryKind
from accounts.offsetting.repository import open_of_users
from app.crediting import repository as crediting
from app.crediting.models import Outcome
from app.crediting.recalculated import first_credited_on
from app.crediting.rules import aggregation_rule, cap_rules
from app.recalculation import repository
from app.recalculation.recompute import (
    Act,
    Correction,
    Holding,
    Plan,
    Standing,
    asset_keys,
    counts_for,
    recompute,
)
from dedup.periods import LOCAL, day_of
from dedup.writes import Writes, columns
from methodologies import rebuild
from points import receivables
from points import repository as lots

if TYPE_CHECKING:
    import asyncpg

    from accounts.repository import AssetKey, EntryRow
    from app.crediting.rules import CapRule, Rule, Rules
    from app.recalculation.recompute import Change
    from app.recalculation.repository import Wanted

HOLDERS = 200
ACTIVITIES = 2_000
"""A slice has at most so many acts, but that it has all of its first holder."""
FIRST = UUID(int=0)


@dataclass(frozen=True)
class Slice:
    """Plans of some holders; `through` is the last one that is looked at, None after the last of all."""

    through: UUID | None
    plans: Sequence[Plan]

    @property
    def changes(self) -> "list[Change]":
        """All that changes."""
        return [change for plan in self.plans for change in plan.changes]


async def plan_slice(
    driver: "asyncpg.Connection",
    rules: "Rules",
    rule: "Rule",
    wanted: "Wanted",
    after: UUID | None,
    now: datetime.datetime,
    *,
    lock: bool,
) -> Slice:
    """Decide again what is left of the holders that follow; under their locks where it is going to be written."""
    page = await ledger.page_of_holders(driver, after or FIRST, HOLDERS)
    if not page:
        return Slice(None, ())
    counts = counts_for(rules.catalogue, rule.methodology)
    number: dict[UUID, int] = {}
    for holder_id, region, started_s in await repository.left_of_range(
        driver, wanted, after or FIRST, page[-1]
    ):
        if counts(region, day_of(started_s)):
            number[holder_id] = number.get(holder_id, 0) + 1
    holders, through = _bounded(number, page[-1])
    if not holders:
        return Slice(through, ())
    if lock:
        await ledger.lock_holders(driver, holders)
    acts = await _read(driver, rules, rule, wanted, holders)
    correction = Correction(rule, rules, await _assets(driver, rules, rule, acts, make=lock))
    held = await _holdings(driver, correction, acts, now.astimezone(LOCAL).date())
    return Slice(through, [recompute(mine, correction, held[holder_id]) for holder_id, mine in acts.items()])


async def _assets(
    driver: "asyncpg.Connection", rules: "Rules", rule: "Rule", acts: dict[UUID, list[Act]], *, make: bool
) -> dict["AssetKey", int]:
    """Ids of assets; those that the new text credits in are made where they are going to be written."""
    known = await ledger.read_assets(driver)
    needed: set[AssetKey] = set()
    for mine in acts.values():
        for act in mine:
            needed |= set(asset_keys(rules, rule, act))
    if make and (missing := needed - known.keys()):
        known = await ledger.know_assets(driver, sorted(missing))
    return known


def _bounded(number: dict[UUID, int], last: UUID) -> tuple[list[UUID], UUID]:
    """The holders of a slice, and how far it goes."""
    holders: list[UUID] = []
    total = 0
    for holder_id, count in number.items():
        if holders and total + count > ACTIVITIES:
            return holders, holders[-1]
        holders.append(holder_id)
        total += count
    return holders, last


async def _read(
    driver: "asyncpg.Connection", rules: "Rules", rule: "Rule", wanted: "Wanted", holders: Sequence[UUID]
) -> dict[UUID, list[Act]]:
    counts = counts_for(rules.catalogue, rule.methodology)
    rows = [
        row
        for row in await repository.left_of_holders(driver, wanted, holders)
        if counts(row["region"], day_of(row["started_s"]))
    ]
    if not rows:
        return {}
    standing: dict[UUID, list[Standing]] = {}
    credited: dict[UUID, datetime.datetime] = {}
    for each in await ledger.standing_of(driver, holders, rows[0]["id"]):
        if each["amount"]:
            standing.setdefault(each["activity_id"], []).append(
                Standing(each["asset_id"], each["points"], each["system"], each["account"], each["amount"])
            )
        if (at := each["credited_at"]) is not None:
            credited[each["activity_id"]] = min(at, credited.get(each["activity_id"], at))
    former = await repository.former(driver, holders)
    limits = await _limits(driver, rules, {row["methodology_id"] for row in rows})
    aggregating = (
        set()
        if rule.aggregation is None
        else await ledger.consented_then(
            driver,
            [row["id"] for row in rows],
            [row["holder_id"] for row in rows],
            [row["source_id"] for row in rows],
            [row["started_at"] for row in rows],
        )
    )
    acts: dict[UUID, list[Act]] = {}
    for row in rows:
        recalculated_at, outcome_before = former.get(row["id"], (None, None))
        outcome = Outcome(row["outcome"])
        acts.setdefault(row["holder_id"], []).append(
            Act(
                holder_id=row["holder_id"],
                id=row["id"],
                source_id=row["source_id"],
                scene=row["scene"],
                region=row["region"],
                started_s=row["started_s"],
                booked_s=moment_ms(row["id"]) // 1000,
                evidence=row["evidence"],
                inputs=orjson.loads(row["inputs"]),
                outcome=outcome,
                reason=row["reason"],
                methodology_id=row["methodology_id"],
                co2e_mg=row["co2e_mg"],
                aggregated_mg=row["aggregated_mg"],
                full_mg=row["full_mg"],
                points=row["points"],
                pending=(outcome_before if outcome is Outcome.REJECTED else outcome) == Outcome.PENDING,
                aggregates=row["id"] in aggregating,
                caps=limits[row["methodology_id"]][0],
                aggregation=limits[row["methodology_id"]][1],
                standing=standing.get(row["id"], ()),
                credited_on=first_credited_on(row["id"], credited.get(row["id"]), recalculated_at),
            )
        )
    return acts


async def _limits(
    driver: "asyncpg.Connection", rules: "Rules", methodology_ids: set[int]
) -> dict[int, tuple["tuple[CapRule, ...]", "CapRule | None"]]:
    """Text → its caps, and what it lets platforms take."""
    found = {}
    for id_, (hash_, content) in (await repository.read_texts(driver, list(methodology_ids))).items():
        text = rules.catalogue.by_hash(hash_) or rebuild(content)
        found[id_] = (cap_rules(text), aggregation_rule(text))
    return found


async def _holdings(
    driver: "asyncpg.Connection",
    correction: Correction,
    acts: dict[UUID, list[Act]],
    today: datetime.date,
) -> dict[UUID, Holding]:
    holders = list(acts)
    open_mg = await ledger.open_grams(driver, holders)
    by_asset = await open_of_users(driver, holders)
    remaining = await lots.read_lots(driver, holders, today)
    held = {
        holder: Holding(
            open_mg.get(holder, 0),
            {(lot.asset_id, lot.expires_on): lot.points for lot in remaining.get(holder, ())},
            {},
            by_asset.get(holder),
        )
        for holder in holders
    }
    for (holder, asset), points in (await receivables.read_owed(driver, holders)).items():
        held[holder].owed[asset] = points
    windows = {key[2] for mine in acts.values() for act in mine for key in correction.keys(act)}
    if windows:
        for key, used in (await crediting.read_caps(driver, holders, windows)).items():
            held[key[0]].caps[key] = used
    return held


async def write_slice(
    driver: "asyncpg.Connection",
    recalculation_id: UUID,
    rule: "Rule",
    planned: Slice,
    now: datetime.datetime,
) -> None:
    """Write what was planned under the locks: entries that reverse and credit anew, and the states that follow."""
    changes = planned.changes
    if not changes:
        return
    await repository.write_history(driver, recalculation_id, rule.methodology_id, changes, now)
    writes = Writes()
    repository.write_activities(
        writes,
        rule.methodology_id,
        [
            (
                each.act.holder_id,
                each.act.id,
                orjson.dumps(each.inputs).decode(),
                each.outcome.value,
                each.reason,
                each.co2e_mg,
                each.full_mg,
                each.points,
                each.aggregated_mg,
            )
            for each in changes
        ],
    )
    _write_ledger(writes, changes, now)
    _write_caps(writes, planned.plans)
    await writes.execute(driver)


def _write_ledger(writes: Writes, changes: "Sequence[Change]", now: datetime.datetime) -> None:
    rows = [row for change in changes for row in _entries(change)]
    if not rows:
        return
    ids = uuid7_batch(epoch_ms(now), len(rows))
    entries: list[EntryRow] = [
        (change.act.holder_id, id_, change.act.id, asset, kind, debit, credit, amount)
        for (change, asset, kind, debit, credit, amount), id_ in zip(rows, ids, strict=True)
    ]
    ledger.write_entries(writes, entries, now)
    grams: dict[UUID, int] = {}
    points: dict[UUID, int] = {}
    moved: dict[tuple[UUID, int, datetime.date], int] = {}
    owed: receivables.Owed = {}
    for change in changes:
        holder_id = change.act.holder_id
        grams[holder_id] = grams.get(holder_id, 0) + change.open_mg
        for (asset, expires_on), amount in change.lots().items():
            points[holder_id] = points.get(holder_id, 0) + amount
            key = (holder_id, asset, expires_on)
            moved[key] = moved.get(key, 0) + amount
        for asset, amount in change.owed().items():
            owed[holder_id, asset] = owed.get((holder_id, asset), 0) + amount
    holders = list(grams)
    owing: dict[UUID, int] = {}
    for (holder_id, _), amount in owed.items():
        owing[holder_id] = owing.get(holder_id, 0) + amount
    ledger.add_to_balances(
        writes,
        holders,
        [grams[each] for each in holders],
        [points.get(each, 0) for each in holders],
        [owing.get(each, 0) for each in holders] if owing else None,
    )
    receivables.owe(writes, {key: amount for key, amount in owed.items() if amount > 0})
    receivables.repay(writes, {key: -amount for key, amount in owed.items() if amount < 0})
    more = [(*key, amount) for key, amount in moved.items() if amount > 0]
    if more:
        owners, assets, expiries, amounts = columns(more)
        lots.add_to_lots(writes, owners, assets, expiries, amounts, now)
    less = [(*key, -amount) for key, amount in moved.items() if amount < 0]
    if less:
        owners, assets, expiries, amounts = columns(less)
        lots.take_from_lots(writes, owners, assets, expiries, amounts)


def _entries(change: "Change") -> "list[tuple[Change, int, EntryKind, int, int, int]]":
    """(change, asset, kind, debit, credit, amount): all grams, for the asset is the text's; points that differ."""
    found = [
        (change, each.asset_id, EntryKind.REVERSAL, each.account, each.system, each.amount)
        for each in change.act.standing
        if not each.points
    ]
    if change.booked and change.co2e_mg:
        accounts = (AccountKind.ISSUANCE_SIDE, AccountKind.HOLDER_OPEN)
        found.append((change, change.reduction_asset, EntryKind.CREDIT, *accounts, change.co2e_mg))
    if change.booked and change.aggregated_mg:
        accounts = (AccountKind.ISSUANCE_SIDE, AccountKind.PLATFORM_AGGREGATE)
        found.append((change, change.reduction_asset, EntryKind.CREDIT, *accounts, change.aggregated_mg))
    moves, owed = change.lots(), change.owed()
    for asset, (there, _) in change.split().items():
        debt = owed.get(asset, 0)
        if (asset, change.expires_on) in moves:
            if stood := change.stood(asset, AccountKind.HOLDER_POINTS):
                accounts = (AccountKind.HOLDER_POINTS, AccountKind.PROGRAMME)
                found.append((change, asset, EntryKind.REVERSAL, *accounts, stood))
            if there:
                accounts = (AccountKind.PROGRAMME, AccountKind.HOLDER_POINTS)
                found.append((change, asset, EntryKind.CREDIT, *accounts, there))
        if debt > 0:
            accounts = (AccountKind.HOLDER_OWED, AccountKind.PROGRAMME)
            found.append((change, asset, EntryKind.SHORTFALL, *accounts, debt))
        elif debt < 0:
            accounts = (AccountKind.PROGRAMME, AccountKind.HOLDER_OWED)
            found.append((change, asset, EntryKind.REPAYMENT, *accounts, -debt))
    return found


def _write_caps(writes: Writes, plans: Sequence[Plan]) -> None:
    limited = {key: each for plan in plans for key, each in plan.caps.items() if each[1] is not None}
    returned = {key: each[0] for plan in plans for key, each in plan.caps.items() if each[1] is None}
    if limited:
        holders, names, windows = columns(list(limited))
        used, caps = columns(list(limited.values()))
        crediting.write_caps(writes, holders, names, windows, used, caps)
    if returned:
        holders, names, windows = columns(list(returned))
        crediting.correct_caps(writes, holders, names, windows, list(returned.values()))
