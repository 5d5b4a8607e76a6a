"""Erasure: identities and the link to the person are destroyed, the ledger is kept without a person.

What is left is pseudonymous, not anonymous: claim tokens stay, so that the same act cannot come back under a new
account. A person that comes back is a new holder. A wish waits some days, in which it can be cancelled.
"""

import datetime
import os
from typing import TYPE_CHECKING, Final
from uuid import UUID

from accounts import bindings, consents, mandates, repository
from accounts.enterprises.members import leave_all as leave_enterprises
from accounts.ids import public_id, uuid7
from accounts.models import AccountKind, EntryKind, HolderStatus
from accounts.offsetting.repository import forget_footprints
from accounts.postings import Posting, post
from accounts.scores import repository as scores
from accounts.teams.service import leave_all
from app.auth import audit, resident_repository, signatures
from app.auth.principal import Principal
from app.banking import grants as bank_grants
from app.banking import reviews as score_reviews
from app.certificates import service as certificates
from app.credit_reports import repository as credit_reports
from app.crediting import precedence_choice
from app.database import driver_of
from app.events import repository as events
from app.my_data import exports
from app.my_data.errors import ErasureNotFound
from app.ranks import repository as ranks
from dedup.person_key import PERSON_KEY_BYTES
from dedup.writes import Writes
from points.repository import Part, change_lots, read_lots

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Driver, Row
    from app.wiring import Services

NOTICE = {
    "zh": "到期后,您的登录方式、手机号等标识的散列和人键将被销毁,同意、归集授权与绑定即告终止,足迹明细删除,"
    "所在团队与企业自动退出,未使用积分作废。"
    "账本分录不含任何身份信息,予以保留;防止同一行为重复计算的认领令牌在其期限内保留。留存的数据是假名化的,不是匿名的。"
    "到期前可随时取消;此后再次注册将是新账户。",
    "en": "When it is due, what you sign in with, the hashes of your identifiers and your person key are destroyed; "
    "consents, mandates and bindings end, what you entered into footprints is deleted, you leave teams and "
    "enterprises, points that are left expire. The ledger's entries name nobody and stay, and so do the claim "
    "tokens, while they count, that keep one act from counting twice. What is left is pseudonymous, not anonymous. "
    "You may cancel until then; whoever signs up again has a new account.",
}
IN_A_RUN: Final = 200
ALL_LOTS: Final = datetime.date(1970, 1, 1)
SYSTEM: Final = Principal("system", UUID(int=0), "system", "100000", frozenset(), 0)


async def request(
    driver: "Driver", holder_id: UUID, now: datetime.datetime, wait: datetime.timedelta
) -> "Row":
    """Record a locked holder's wish; the one that waits already where there is one."""
    found = await open_wish(driver, holder_id)
    if found is not None:
        return found
    row: Row = await driver.fetchrow(
        """
        INSERT INTO erasures (holder_id, id, requested_at, due_at) VALUES ($1, $2, $3, $4)
        RETURNING holder_id, id, requested_at, due_at, done_at
        """,
        holder_id,
        uuid7(now),
        now,
        now + wait,
    )
    return row


async def open_wish(driver: "Driver", holder_id: UUID) -> "Row | None":
    """A holder's wish that waits."""
    return await driver.fetchrow(
        """
        SELECT holder_id, id, requested_at, due_at, done_at FROM erasures
        WHERE holder_id = $1 AND cancelled_at IS NULL AND done_at IS NULL
        """,
        holder_id,
    )


async def cancel(driver: "Driver", holder_id: UUID, now: datetime.datetime) -> None:
    """Take a locked holder's wish back; raises `ErasureNotFound`."""
    row = await driver.fetchrow(
        """
        UPDATE erasures SET cancelled_at = $2 WHERE holder_id = $1 AND cancelled_at IS NULL AND done_at IS NULL
        RETURNING id
        """,
        holder_id,
        now,
    )
    if row is None:
        raise ErasureNotFound


async def erase_due(services: "Services", lease: "AsyncSession", now: datetime.datetime) -> None:
    """Carry out what is due, each wish in a transaction of its own; `lease` has the job's.

    One that fails keeps nobody else waiting; its error is raised at the end, so that the job is seen to fail.
    """
    leased = await driver_of(lease)
    due = await leased.fetch(
        """
        SELECT holder_id, id FROM erasures WHERE cancelled_at IS NULL AND done_at IS NULL AND due_at <= $1
        ORDER BY due_at LIMIT $2
        """,
        now,
        IN_A_RUN,
    )
    failed: Exception | None = None
    for holder_id, erasure_id in due:
        try:
            async with services.database.transaction() as session:
                await erase(services, session, holder_id, erasure_id, now)
        except Exception as error:  # noqa: BLE001 - raised below
            failed = error
        await leased.fetchval("SELECT 1")  # a connection that idles for a minute is ended
    if failed is not None:
        raise failed


async def erase(
    services: "Services", session: "AsyncSession", holder_id: UUID, erasure_id: UUID, now: datetime.datetime
) -> bool:
    """Erase a holder in one commit, once. False where it was cancelled or done, or where points are on hold still."""
    driver = await driver_of(session)
    await repository.lock_onboarding(driver)
    statuses = await repository.lock_holders(driver, [holder_id])
    held = await driver.fetchval("SELECT held_points FROM balances WHERE holder_id = $1", holder_id)
    if statuses.get(holder_id) != HolderStatus.ACTIVE or held:
        return False
    done = await driver.fetchval(
        """
        UPDATE erasures SET done_at = $3
        WHERE holder_id = $1 AND id = $2 AND cancelled_at IS NULL AND done_at IS NULL RETURNING id
        """,
        holder_id,
        erasure_id,
        now,
    )
    if done is None:
        return False

    def sign(claims: dict[str, object]) -> str:
        return signatures.sign(services.tokens.keys, signatures.RECEIPT, claims, now)

    await consents.withdraw(driver, sign, holder_id, None, None, now)
    await mandates.withdraw_all(driver, sign, holder_id, now)
    await bank_grants.withdraw_all(driver, sign, holder_id, now)
    await bank_grants.forget(driver, holder_id)
    await score_reviews.forget(session, holder_id)
    await bindings.end_all(driver, holder_id, now)
    await exports.drop_all(driver, holder_id)
    await leave_all(driver, holder_id, now)
    await leave_enterprises(driver, holder_id, now)
    await forget_footprints(driver, holder_id)
    await events.forget(driver, holder_id)
    await scores.forget(driver, holder_id)
    await ranks.choose(driver, holder_id, shown=False, now=now)
    await precedence_choice.forget(driver, holder_id)
    await credit_reports.forget(driver, holder_id)
    await certificates.forget(driver, services.tokens.keys, holder_id, now)
    await _expire_points(driver, holder_id, erasure_id, now)
    region = await _forget_person(driver, holder_id)
    await resident_repository.end_sessions(session, holder_id, now, "erased")
    await resident_repository.next_epoch(session, holder_id, now)
    await audit.append(
        session,
        SYSTEM,
        now,
        "holder.erased",
        ("holder", public_id("hld", holder_id)),
        region=region,
        address="",
        reason="asked for by the holder",
    )
    return True


async def _expire_points(driver: "Driver", holder_id: UUID, erasure_id: UUID, now: datetime.datetime) -> None:
    lots = (await read_lots(driver, [holder_id], ALL_LOTS)).get(holder_id, [])
    if not lots:
        return
    writes = Writes()
    post(
        writes,
        [
            Posting(
                holder_id,
                erasure_id,
                lot.asset_id,
                EntryKind.EXPIRY,
                AccountKind.HOLDER_POINTS,
                AccountKind.BREAKAGE,
                lot.points,
            )
            for lot in lots
        ],
        now,
    )
    change_lots(writes, [(holder_id, Part(lot.asset_id, lot.expires_on, -lot.points)) for lot in lots])
    await writes.execute(driver)


async def _forget_person(driver: "Driver", holder_id: UUID) -> str:
    """Destroy what leads from the person to the holder; answers the holder's region."""
    await driver.execute("DELETE FROM identities WHERE holder_id = $1", holder_id)
    await driver.execute("UPDATE corrections SET explanation = '' WHERE holder_id = $1", holder_id)
    await driver.execute(
        "UPDATE disputes SET explanation = '' WHERE party_id = $1 AND party = 'holder'", holder_id
    )
    await driver.execute("DELETE FROM act_traces WHERE holder_id = $1", holder_id)
    await driver.execute(
        "UPDATE balances SET status = $2 WHERE holder_id = $1", holder_id, HolderStatus.CLOSED
    )
    # A tombstone in its place: the column is unique, and nobody's key is random.
    return str(
        await driver.fetchval(
            """
            UPDATE holders SET person_key = $2, next_person_key = NULL, federation_key = NULL WHERE id = $1
            RETURNING region
            """,
            holder_id,
            os.urandom(PERSON_KEY_BYTES),
        )
    )
