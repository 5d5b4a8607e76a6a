"""Obligations: put on record by an operator from a document, corrected with a reason, never typed by the firm."""

import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.errors import Fault
from accounts.ids import parse_public_id, public_id, uuid7
from accounts.offset_rules.rules import book
from app.auth import audit
from app.database import driver_of
from app.offsets import errors, repository
from app.offsets.models import OffsetObligation
from app.offsets.rules_in_force import rule_in_force
from app.offsets.schemas import ObligationCorrection, ObligationFigures, ObligationInput
from app.programmes.errors import OutOfRegion
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.auth.principal import Principal


async def record(
    session: "AsyncSession",
    principal: "Principal",
    wanted: ObligationInput,
    now: datetime.datetime,
    address: str,
) -> OffsetObligation:
    """Record an obligation. Raises `OutOfRegion`, `MarketUnknown`, `FirmUnknown`, `ObligationExists`."""
    if not principal.may_see_region(wanted.region):
        raise OutOfRegion
    if book().market(wanted.market) is None:
        raise errors.MarketUnknown(Fault("/market", "no such carbon market", "没有这个碳市场"))
    driver = await driver_of(session)
    firm_id = parse_public_id("org", wanted.firm_id)
    firm = None if firm_id is None else await repository.firm(driver, firm_id)
    if firm is None or firm_id is None:
        raise errors.FirmUnknown(Fault("/firm_id", "no such participant", "没有这个企业"))
    if await repository.same_obligation(session, firm_id, wanted.market, wanted.period) is not None:
        raise errors.ObligationExists
    row = OffsetObligation(
        id=uuid7(now),
        organisation_id=firm_id,
        market=wanted.market,
        period=wanted.period,
        version=1,
        recorded_at=now,
        recorded_by=principal.client_id,
        **await _figures(session, wanted),
    )
    session.add(row)
    await session.flush()
    await _write_down(session, principal, "recorded", row, now, address)
    return row


async def correct(
    session: "AsyncSession",
    principal: "Principal",
    obligation_id: UUID,
    stated: int,
    wanted: ObligationCorrection,
    now: datetime.datetime,
    address: str,
) -> OffsetObligation:
    """Say the figures anew. Raises `ObligationCorrectedMeanwhile`; `ObligationBelowFiled` where they are exceeded."""
    row = await seen_by_operator(session, principal, obligation_id, lock=True)
    if not principal.may_see_region(wanted.region):
        raise OutOfRegion
    if row.version != stated:
        raise errors.ObligationCorrectedMeanwhile
    before = _told(row)
    for name, value in (await _figures(session, wanted)).items():
        setattr(row, name, value)
    row.version += 1
    row.recorded_at, row.recorded_by = now, principal.client_id
    session.add(row)
    await session.flush()
    await _limits_hold(session, row, now)
    await _write_down(session, principal, "corrected", row, now, address, wanted.reason, before)
    return row


async def seen_by_operator(
    session: "AsyncSession", principal: "Principal", obligation_id: UUID, *, lock: bool = False
) -> OffsetObligation:
    """An obligation of the operator's region. Raises `ObligationNotFound`."""
    row = await repository.obligation(session, obligation_id, lock=lock)
    if row is None or not principal.may_see_region(row.region):
        raise errors.ObligationNotFound
    return row


async def seen_by_firm(
    session: "AsyncSession", firm_id: UUID, obligation_id: UUID, *, lock: bool = False
) -> OffsetObligation:
    """An obligation of the firm itself. Raises `ObligationNotFound`."""
    row = await repository.obligation(session, obligation_id, lock=lock)
    if row is None or row.organisation_id != firm_id:
        raise errors.ObligationNotFound
    return row


async def _limits_hold(session: "AsyncSession", row: OffsetObligation, now: datetime.datetime) -> None:
    """Every limit that something is filed under has room for it by the figures as they are now."""
    driver = await driver_of(session)
    rule = await rule_in_force(driver, row.market, now.astimezone(LOCAL).date(), row.period)
    known = {limit.code: limit for limit in (rule.limits if rule is not None else ())}
    for used in await repository.limits(session, row.id):
        limit = known.get(used.code)
        cap_kg = (
            None if limit is None else limit.cap_kg(row.allowances_issued_t, row.allowances_to_surrender_t)
        )
        if limit is None:
            continue
        if cap_kg is None or not await repository.use_limit(
            driver, row.id, limit.code, limit.kinds, limit.outside_prefix, cap_kg
        ):
            raise errors.ObligationBelowFiled


async def _figures(session: "AsyncSession", wanted: ObligationFigures) -> dict[str, Any]:
    found = [parse_public_id("org", each) for each in wanted.boundary_ids]
    ids = [each for each in found if each is not None]
    if len(ids) < len(found) or await repository.known_organisations(await driver_of(session), ids) != set(
        ids
    ):
        raise errors.FirmUnknown(Fault("/boundary_ids", "an unknown organisation", "有未知的机构"))
    return {
        "region": wanted.region,
        "allowances_issued_t": wanted.allowances_issued_t,
        "allowances_to_surrender_t": wanted.allowances_to_surrender_t,
        "file_by": wanted.file_by,
        "boundary_ids": ids,
        "boundary_projects": wanted.boundary_projects,
        "document_title": wanted.document.title,
        "document_number": wanted.document.number,
        "document_issued_on": wanted.document.issued_on,
    }


def _told(row: OffsetObligation) -> dict[str, Any]:
    """What of it is kept in the audit trail."""
    return row.model_dump(mode="json", exclude={"recorded_by"})


async def _write_down(
    session: "AsyncSession",
    principal: "Principal",
    step: str,
    row: OffsetObligation,
    now: datetime.datetime,
    address: str,
    reason: str = "",
    before: dict[str, Any] | None = None,
) -> None:
    await audit.append(
        session,
        principal,
        now,
        f"obligation.{step}",
        ("obligation", public_id("obl", row.id)),
        region=row.region,
        address=address,
        reason=reason,
        before=before,
        after=_told(row),
    )
