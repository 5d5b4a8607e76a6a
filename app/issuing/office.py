"""What is done with issuances, with what follows in the same commit: the audit trail, units, the applicant is told."""

import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.ids import public_id
from accounts.issuance import errors, repository, service
from accounts.issuance.models import Issuance, Status
from accounts.registry.service import account_of
from accounts.units.serials import Origin, OriginKind
from accounts.units.service import issue as issue_units
from app.auth import audit
from app.auth.principal import covers
from app.database import driver_of
from app.settling.office import ITSELF, Actor
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.auth.principal import Principal

TARGET = "issuance"
UNIT_TYPES = {"31": "shcer", "4201": "wuhan", "44": "phcer"}
"""What the codes of a region begin with → the type by which rules of markets know its units."""
OTHER_TYPE = "tanpuhui"


async def take(session: "AsyncSession", principal: "Principal", issuance_id: UUID, version: int) -> Issuance:
    """The issuance as the operator saw it, locked; raises `IssuanceNotFound`, `IssuanceChangedMeanwhile`."""
    found = await repository.find(session, issuance_id, lock=True)
    if found is None or not principal.may_see_region(found.region):
        raise errors.IssuanceNotFound
    if found.version != version:
        raise errors.IssuanceChangedMeanwhile
    return found


async def record(
    session: "AsyncSession",
    actor: Actor,
    issuance: Issuance,
    action: str,
    reason: str = "",
    before: "dict[str, Any] | None" = None,
) -> None:
    """Keep a step that was taken: the row's next version, and the audit trail."""
    issuance.version += 1
    session.add(issuance)
    await session.flush()
    await _write_down(session, actor, issuance, action, reason, before)


async def note(session: "AsyncSession", actor: Actor, issuance: Issuance, action: str, reason: str) -> None:
    """Write down a step that leaves the issuance itself as it is."""
    await _write_down(session, actor, issuance, action, reason, None)


async def told_by_itself(
    session: "AsyncSession", issuance: Issuance, action: str, now: datetime.datetime
) -> None:
    """Write down what the job did."""
    await _write_down(session, Actor(ITSELF, now, ""), issuance, action, "", None)


async def _write_down(
    session: "AsyncSession",
    actor: Actor,
    issuance: Issuance,
    action: str,
    reason: str,
    before: "dict[str, Any] | None",
) -> None:
    await audit.append(
        session,
        actor.principal,
        actor.now,
        action,
        (TARGET, public_id("iss", issuance.id)),
        region=issuance.region,
        address=actor.address,
        reason=reason,
        before=before,
        after=snapshot(issuance),
    )


def snapshot(issuance: Issuance) -> dict[str, Any]:
    """What the audit trail keeps of an issuance."""
    return {
        "number": issuance.number,
        "status": issuance.status,
        "booked_from": issuance.booked_from.isoformat(),
        "booked_until": issuance.booked_until.isoformat(),
        "quantity_kg": issuance.quantity_kg,
        "carried_mg": issuance.carried_mg,
        "evidence_sha256": None if issuance.evidence is None else issuance.evidence["sha256"],
    }


async def approve(session: "AsyncSession", actor: Actor, issuance: Issuance) -> None:
    """Issue: a second operator's word makes units of the net, in the applicant's account, in one commit."""
    today = actor.now.astimezone(LOCAL).date()
    await service.check_approval(session, issuance, actor.principal.client_id, today)
    driver = await driver_of(session)
    if issuance.quantity_kg:
        text = await repository.text_of(driver, issuance.methodology_version_id)
        account = await account_of(driver, issuance.applicant_id, actor.now)
        units = await issue_units(
            driver,
            Origin(
                id=issuance.id,
                kind=OriginKind.ISSUANCE,
                subject_id=issuance.id,
                region=issuance.region,
                methodology=text["code"],
                vintage=issuance.vintage,
                unit_type=unit_type(issuance.region),
            ),
            account.id,
            issuance.quantity_kg,
            actor.now,
        )
        issuance.first_unit, issuance.last_unit = units.first, units.last
    issuance.status = Status.ISSUED
    issuance.approved_by, issuance.approved_at = actor.principal.client_id, actor.now


def unit_type(region: str) -> str:
    """The type of units that are issued in a region."""
    return next((name for digits, name in UNIT_TYPES.items() if region.startswith(digits)), OTHER_TYPE)


def verifier_may_see(principal: "Principal", issuance: Issuance) -> bool:
    """Whether a verifier may read an issuance: in its region, from the close on."""
    return covers(principal.region, issuance.region) and issuance.status not in (
        Status.DRAFT,
        Status.PREVIEWED,
        Status.CLOSING,
        Status.OPENING,
        Status.WITHDRAWN,
    )
