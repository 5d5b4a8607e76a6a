"""The job that works at issuances: previews, closes of periods, and their reopening. Everything resumes.

A close is three steps. What is disputed or used stays out, written first. Then evidence and tree are made of what was
booked, which a closed period no longer changes. Then grams go from open to issued, some thousand holders a commit, the
last of them kept with the issuance. A process that dies leaves the issuance in `closing`; the next one goes on.
"""

import asyncio
import datetime
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from accounts.ids import public_id
from accounts.issuance import excluding, repository
from accounts.issuance.models import Issuance, Status
from accounts.issuance.service import divide
from app.archives.job import kept
from app.database import Database, driver_of, engine_for
from app.issuing import evidence, office
from app.issuing.preview import preview
from app.issuing.stream import taken
from app.proving.building import TreeRefused, build_tree

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Row

log = structlog.get_logger(__name__)
SLICE = 20_000
"""Holders of one commit: their credits wait as long."""
LAST = UUID(int=(1 << 128) - 1)
WORK_MEM = "64MB"
Clock = Callable[[], datetime.datetime]


def folder_of(root: Path, issuance_id: UUID) -> Path:
    """Where the package of an issuance lies."""
    return root / issuance_id.hex


def trees_of(root: Path) -> Path:
    """Where the trees of all issuances lie."""
    return root / "trees"


async def work_at_issuances(database: Database, lease: "AsyncSession", root: Path, clock: Clock) -> None:
    """Do what issuances wait for, one after the other; one that fails does not keep the others."""
    async with database.reading() as session:
        waiting = await repository.waiting(session)
    if not waiting:
        return
    url = database.engine.url.render_as_string(hide_password=False)
    # Connections of its own: what it reads takes longer than a look-up may, and is planned otherwise.
    own = Database(engine_for(url, pool_size=2, scans=True))
    try:
        async with kept(lease):
            for issuance_id in waiting:
                try:
                    await work_at(own, issuance_id, root, clock)
                except Exception as error:
                    log.warning("issuance not worked at", error=type(error).__name__)
                    await _keep_failure(own, issuance_id, type(error).__name__)
                    raise
    finally:
        await own.close()


async def work_at(database: Database, issuance_id: UUID, root: Path, clock: Clock) -> None:
    """Take one issuance as far as it waits for."""
    async with database.reading() as session:
        issuance = await repository.find(session, issuance_id)
        if issuance is None:
            return
        text = await repository.text_of(await driver_of(session), issuance.methodology_version_id)
    everywhere = issuance.region == text["region"]
    match Status(issuance.status):
        case Status.DRAFT:
            await _preview(database, issuance, clock, everywhere=everywhere)
        case Status.CLOSING:
            await _close(database, issuance, text, root, clock)
        case Status.OPENING:
            await _open(database, issuance, clock)
        case _:
            pass


async def _keep_failure(database: Database, issuance_id: UUID, error: str) -> None:
    async with database.transaction() as session:
        issuance = await repository.find(session, issuance_id, lock=True)
        if issuance is not None and issuance.status in (Status.DRAFT, Status.CLOSING, Status.OPENING):
            issuance.last_error = error
            session.add(issuance)


async def _preview(database: Database, issuance: Issuance, clock: Clock, *, everywhere: bool) -> None:
    async with database.snapshot() as driver:
        await driver.execute(f"SET LOCAL work_mem = '{WORK_MEM}'")
        found = await preview(driver, issuance, everywhere=everywhere)
    async with database.transaction() as session:
        locked = await repository.find(session, issuance.id, lock=True)
        if locked is None or locked.version != issuance.version or locked.status != Status.DRAFT:
            return
        locked.preview, locked.previewed_at, locked.status = found, clock(), Status.PREVIEWED
        locked.version += 1
        session.add(locked)


async def _close(database: Database, issuance: Issuance, text: "Row", root: Path, clock: Clock) -> None:
    folder = folder_of(root, issuance.id)
    if issuance.moved_until is None or not evidence.collected(folder):
        if issuance.moved_until is None:
            await _leave_out(database, issuance, clock)
        building = root / f"{issuance.id.hex}.building"
        await asyncio.to_thread(_empty, building)
        await _write_evidence(database, issuance, text, root, building)
        await asyncio.to_thread(_replace, building, folder)
    await _move(database, issuance.id, folder, clock)


async def _leave_out(database: Database, issuance: Issuance, clock: Clock) -> None:
    async with database.driver_transaction() as driver:
        await excluding.exclude_disputed(driver, issuance, clock())
    after: UUID | None = UUID(int=0)
    while after is not None:
        async with database.driver_transaction() as driver:
            after = await excluding.leave_out_used(driver, issuance, after, SLICE, clock())


async def _write_evidence(
    database: Database, issuance: Issuance, text: "Row", root: Path, folder: Path
) -> None:
    collector = evidence.Collector(folder)
    async with database.statement() as driver:
        await driver.execute(f"SET work_mem = '{WORK_MEM}'")
        rows = taken(driver, issuance, everywhere=issuance.region == text["region"])
        try:
            root_node = await build_tree(
                trees_of(root), issuance.id, collector.collect(rows), issuance.secret
            )
        except TreeRefused:
            if collector.entries:
                raise
            root_node = None
    await asyncio.to_thread(evidence.write_rows, folder)
    quantity, carried = divide(issuance.brought_mg or 0, collector.credits_mg, collector.reversals_mg)
    described = {
        "issuance_id": public_id("iss", issuance.id),
        "number": issuance.number,
        "applicant_id": public_id("org", issuance.applicant_id),
        "region": issuance.region,
        "vintage": issuance.vintage,
        "booked_from": issuance.booked_from.isoformat(),
        "booked_until": issuance.booked_until.isoformat(),
        "methodology": {name: text[name] for name in ("region", "scene", "code", "version", "content_hash")},
        "entries": collector.entries,
        "credits_mg": collector.credits_mg,
        "reversals_mg": collector.reversals_mg,
        "brought_mg": issuance.brought_mg,
        "quantity_kg": quantity,
        "carried_mg": carried,
        "root": None if root_node is None else root_node.hash.hex(),
    }
    manifest = await asyncio.to_thread(evidence.finish, folder, text["content"], described)
    async with database.transaction() as session:
        locked = await repository.find(session, issuance.id, lock=True)
        if locked is None or locked.status != Status.CLOSING:
            return
        locked.credits_mg, locked.reversals_mg = collector.credits_mg, collector.reversals_mg
        locked.entries, locked.quantity_kg, locked.carried_mg = collector.entries, quantity, carried
        locked.root = None if root_node is None else root_node.hash
        locked.evidence = {"sha256": manifest["sha256"], "files": manifest["files"]}
        session.add(locked)


async def _move(database: Database, issuance_id: UUID, folder: Path, clock: Clock) -> None:
    while True:
        async with database.transaction() as session:
            issuance = await repository.find(session, issuance_id, lock=True)
            if issuance is None or issuance.status != Status.CLOSING:
                return
            after = issuance.moved_until or UUID(int=0)
            sums = await asyncio.to_thread(evidence.holder_sums, folder, after.bytes, SLICE)
            if sums:
                driver = await driver_of(session)
                await repository.move_to_issued(
                    driver, issuance, {UUID(bytes=bytes(holder)): mg for holder, mg in sums}, clock()
                )
                issuance.moved_until = UUID(bytes=bytes(sums[-1][0]))
            if len(sums) < SLICE:
                # Before the commit: nobody comes back to what is submitted.
                await asyncio.to_thread(evidence.tidy, folder)
                issuance.moved_until = LAST
                issuance.status, issuance.closed_at = Status.SUBMITTED, clock()
                issuance.last_error = ""
                issuance.version += 1
                await office.told_by_itself(session, issuance, "issuance.closed", clock())
            session.add(issuance)
        if len(sums) < SLICE:
            return


async def _open(database: Database, issuance: Issuance, clock: Clock) -> None:
    while True:
        async with database.transaction() as session:
            locked = await repository.find(session, issuance.id, lock=True)
            if locked is None or locked.status != Status.OPENING:
                return
            driver = await driver_of(session)
            holders = await repository.holders_between(
                driver, locked.applicant_id, locked.moved_until or LAST, SLICE
            )
            await repository.move_back(driver, locked, holders, clock())
            if len(holders) < SLICE:
                _reset(locked)
                await office.told_by_itself(session, locked, "issuance.reopened", clock())
            else:
                locked.moved_until = holders[-1]
            session.add(locked)
        if len(holders) < SLICE:
            return


def _reset(issuance: Issuance) -> None:
    issuance.status, issuance.preview, issuance.moved_until = Status.DRAFT, None, None
    issuance.credits_mg = issuance.reversals_mg = issuance.entries = None
    issuance.quantity_kg = issuance.carried_mg = issuance.root = issuance.evidence = None
    issuance.closed_by = issuance.closed_at = None
    issuance.notice_ends_on = issuance.noticed_at = issuance.noticed_by = None
    issuance.version += 1


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _replace(building: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)
