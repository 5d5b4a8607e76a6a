"""Giving a claim up: its tokens are free for whoever comes next."""

import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

import dedup.repository as tokens
from accounts.ids import owner_id, public_id
from app.auth import audit
from app.claiming.decision import DUPLICATE
from app.claiming.errors import AlreadyReleased, ClaimNotFound, NotHeld
from app.claiming.schemas import ClaimView
from app.database import driver_of
from dedup import platform_claims
from dedup.models import PlatformClaim
from dedup.tokens import TOKEN_BYTES
from dedup.writes import Writes

if TYPE_CHECKING:
    from app.auth.principal import Principal


async def visible_claim(session: AsyncSession, principal: "Principal", claim_id: UUID) -> PlatformClaim:
    """A claim of the caller's own; `ClaimNotFound` for any other."""
    found = (
        await session.exec(
            select(PlatformClaim).where(
                col(PlatformClaim.id) == claim_id,
                col(PlatformClaim.organisation_id) == principal.organisation_id,
            )
        )
    ).first()
    if found is None:
        raise ClaimNotFound
    return found


async def release(
    session: AsyncSession,
    principal: "Principal",
    claim_id: UUID,
    reason: str,
    now: datetime.datetime,
    address: str,
) -> ClaimView:
    """Release a claim, once; raises `ClaimNotFound`, `AlreadyReleased` or `NotHeld`."""
    driver = await driver_of(session)
    freed = await platform_claims.mark_released(driver, claim_id, principal.organisation_id, now)
    claim = await visible_claim(session, principal, claim_id)
    if freed is None:
        raise NotHeld if claim.outcome == DUPLICATE else AlreadyReleased
    held, first, last = freed
    names: list[UUID] = [
        DriverUUID(held[start : start + TOKEN_BYTES]) for start in range(0, len(held), TOKEN_BYTES)
    ]
    await tokens.bring_back_claims(driver, names, first, last)
    writes = Writes()
    tokens.release_whole(writes, names, [claim_id] * len(names))
    tokens.release_intervals(writes, names, claim_id, first, last)
    await writes.execute(driver)
    await audit.append(
        session,
        principal,
        now,
        "claim.released",
        ("claim", public_id("clm", claim_id)),
        region=claim.region,
        address=address,
        reason=reason,
        after={"scene": claim.scene, "released_at": now},
    )
    return view(claim)


def view(claim: PlatformClaim) -> ClaimView:
    """What the API shows of a claim."""
    return ClaimView.model_validate(
        {
            "id": public_id("clm", claim.id),
            "outcome": claim.outcome,
            "reason": claim.reason,
            "winner_id": None if claim.winner_id is None else owner_id(claim.winner_id),
            "scene": claim.scene,
            "region": claim.region,
            "claimed_at": claim.claimed_at,
            "released_at": claim.released_at,
            "comparison": claim.comparison,
        }
    )
