"""Filing reductions against an obligation: checked, held back, decided by an operator, and retired for good.

Whoever files or decides takes the obligation's lock first, then looks, so that no limit is ever exceeded.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.errors import DomainError, Fault
from accounts.ids import epoch_ms, parse_public_id, public_id, uuid7, uuid7_batch
from accounts.offset_rules.checking import (
    CheckedLine,
    CheckReport,
    ObligationFacts,
    Outcome,
    Verdict,
    check,
    counted,
)
from accounts.offset_rules.rules import DatedRule, book
from accounts.registry import service as registry
from accounts.units import service as units
from app.auth import audit
from app.database import driver_of
from app.offsets import errors, repository
from app.offsets.models import FilingState, OffsetFiling, OffsetLine, OffsetObligation
from app.offsets.rules_in_force import rule_in_force
from app.offsets.schemas import CheckInput, ElsewhereInput, FilingInput, check_view
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

    from accounts.repository import Driver
    from app.auth.principal import Principal

LOCKED_FOR = "offset_filing"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who files or decides, when and from where."""

    principal: "Principal"
    now: datetime.datetime
    address: str

    @property
    def today(self) -> datetime.date:
        """The local day, on which a filing is made."""
        return self.now.astimezone(LOCAL).date()


@dataclass(frozen=True, slots=True)
class _Line:
    """A line to be filed: what it is, and the origin or the serials that it is of."""

    what: CheckedLine
    origin_id: UUID | None = None
    serials: str = ""


async def try_out(
    session: "AsyncSession", obligation: OffsetObligation, wanted: CheckInput, today: datetime.date
) -> CheckReport:
    """What a filing would come to; nothing is written."""
    driver = await driver_of(session)
    named = [each.origin_id for each in wanted.lines if each.origin_id is not None]
    origins = iter(await _of_origins(driver, obligation, named, [0] * len(named)))
    lines = []
    for each in wanted.lines:
        if each.origin_id is None:
            lines.append(
                CheckedLine(
                    each.kind, each.region or "", each.vintage or 0, each.quantity_kg, each.own_boundary
                )
            )
        else:
            found = next(origins).what
            lines.append(
                CheckedLine(found.kind, found.region, found.vintage, each.quantity_kg, found.own_boundary)
            )
    filed_on = wanted.filed_on or today
    rule = await rule_in_force(driver, obligation.market, filed_on, obligation.period)
    return check(book(), rule, await _facts(session, obligation, rule, filed_on), lines)


async def file(
    session: "AsyncSession", actor: Actor, obligation: OffsetObligation, wanted: FilingInput
) -> OffsetFiling:
    """File units that the firm holds against its locked obligation; they are held back until it is decided.

    Raises `OffsetRefused`, `OffsetUndetermined`, `OriginUnknown`, and what locking units raises.
    """
    driver = await driver_of(session)
    quantities = [each.quantity_kg for each in wanted.lines]
    lines = await _of_origins(driver, obligation, [each.origin_id for each in wanted.lines], quantities)
    account = await registry.account_of(driver, obligation.organisation_id, actor.now)
    filing, rows = await _write(session, actor, obligation, lines, document="")
    for row in rows:
        await units.lock(driver, account.id, row.origin_id, row.quantity_kg, LOCKED_FOR, row.id, actor.now)
    return filing


async def file_elsewhere(
    session: "AsyncSession", actor: Actor, obligation: OffsetObligation, wanted: ElsewhereInput
) -> OffsetFiling:
    """File what was retired in another registry, by its document; another operator accepts it."""
    lines = [
        _Line(CheckedLine(each.kind, each.region, each.vintage, each.quantity_kg), serials=each.serials)
        for each in wanted.lines
    ]
    filing, _ = await _write(session, actor, obligation, lines, document=wanted.document)
    return filing


async def accept(session: "AsyncSession", actor: Actor, filing: OffsetFiling, reason: str) -> OffsetFiling:
    """Retire what a locked filing holds back, for the firm and the period. Raises `AcceptOwnFiling`."""
    _undecided(filing)
    if filing.filed_by == actor.principal.client_id:
        raise errors.AcceptOwnFiling
    obligation = await repository.obligation(session, filing.obligation_id)
    if obligation is None:
        raise errors.ObligationNotFound
    driver = await driver_of(session)
    period = f"{obligation.market} {obligation.period}"
    for line in await repository.lines(session, [filing.id]):
        if line.origin_id is not None:
            held = await units.find_lock(driver, line.id)
            await units.retire(
                driver,
                held,
                line.origin_id,
                line.quantity_kg,
                units.Purpose.OBLIGATION,
                filing.beneficiary,
                line.id,
                actor.now,
                period,
            )
    return await _decide(session, actor, filing, FilingState.ACCEPTED, reason)


async def end(
    session: "AsyncSession", actor: Actor, filing: OffsetFiling, state: FilingState, reason: str
) -> OffsetFiling:
    """Reject or withdraw a locked filing: units are free again, and so is what it used of the limits."""
    _undecided(filing)
    driver = await driver_of(session)
    await repository.obligation(session, filing.obligation_id, lock=True)
    for line in await repository.lines(session, [filing.id]):
        if line.origin_id is not None:
            await units.release(driver, (await units.find_lock(driver, line.id)).id, actor.now)
    await _decide(session, actor, filing, state, reason)
    await repository.recount_limits(driver, filing.obligation_id)
    return filing


async def taken(session: "AsyncSession", filing_id: UUID) -> OffsetFiling:
    """A filing that is about to be decided, behind the lock of its obligation. Raises `FilingNotFound`."""
    found = await repository.filing(session, filing_id)
    if found is None:
        raise errors.FilingNotFound
    await repository.obligation(session, found.obligation_id, lock=True)
    locked = await repository.filing(session, filing_id, lock=True)
    if locked is None:
        raise errors.FilingNotFound
    return locked


async def retired(driver: "Driver", lines: Sequence[OffsetLine]) -> dict[UUID, tuple[str, list[str]]]:
    """Line → the retirement's id and serials, of those that were retired."""
    known = await repository.retirements(driver, [line.id for line in lines if line.origin_id is not None])
    found: dict[UUID, tuple[str, list[str]]] = {}
    for line_id in known:
        made = await units.find_retirement(driver, line_id)
        if made is not None:
            found[line_id] = (public_id("ret", made.id), list(made.serials))
    return found


def _undecided(filing: OffsetFiling) -> None:
    if filing.state != FilingState.FILED:
        raise errors.FilingDecided


async def _decide(
    session: "AsyncSession", actor: Actor, filing: OffsetFiling, state: FilingState, reason: str
) -> OffsetFiling:
    before = _told(filing)
    filing.state, filing.reason = state.value, reason
    filing.decided_at, filing.decided_by = actor.now, actor.principal.client_id
    await _write_down(session, actor, state.value, filing, reason, before)
    return filing


async def _write(
    session: "AsyncSession",
    actor: Actor,
    obligation: OffsetObligation,
    lines: Sequence[_Line],
    document: str,
) -> tuple[OffsetFiling, list[OffsetLine]]:
    driver = await driver_of(session)
    rule = await rule_in_force(driver, obligation.market, actor.today, obligation.period)
    facts = await _facts(session, obligation, rule, actor.today)
    report = check(book(), rule, facts, [line.what for line in lines])
    if rule is None or report.verdict is not Verdict.ALLOWED:
        raise refusal(report)
    firm = await repository.firm(driver, obligation.organisation_id)
    if firm is None:
        raise errors.FirmUnknown
    filing = OffsetFiling(
        id=uuid7(actor.now),
        obligation_id=obligation.id,
        organisation_id=obligation.organisation_id,
        region=obligation.region,
        beneficiary=firm["name"],
        rule=rule.code,
        report=check_view(report).model_dump(mode="json"),
        elsewhere=bool(document),
        document=document,
        state=FilingState.FILED,
        filed_at=actor.now,
        filed_by=actor.principal.client_id,
    )
    ids = uuid7_batch(epoch_ms(actor.now), len(lines))
    rows = [
        OffsetLine(
            id=id_,
            filing_id=filing.id,
            obligation_id=obligation.id,
            line=place,
            origin_id=line.origin_id,
            kind=line.what.kind or "",
            region=line.what.region,
            vintage=line.what.vintage,
            quantity_kg=line.what.quantity_kg,
            serials=line.serials,
        )
        for place, (id_, line) in enumerate(zip(ids, lines, strict=True))
    ]
    session.add_all([filing, *rows])
    await session.flush()
    await repository.forget_limits(driver, obligation.id, [limit.code for limit in rule.limits])
    for limit in rule.limits:
        cap_kg = limit.cap_kg(obligation.allowances_issued_t, obligation.allowances_to_surrender_t)
        # The write itself holds the limit: it counts what is there, these lines too, or writes nothing.
        if cap_kg is None or not await repository.use_limit(
            driver, obligation.id, limit.code, limit.kinds, limit.outside_prefix, cap_kg
        ):
            raise errors.OffsetRefused(Fault("", f"limit {limit.code}", f"限额 {limit.code}"))
    await _write_down(session, actor, "filed", filing, document, None)
    return filing, rows


def refusal(report: CheckReport) -> DomainError:
    """The error that tells each clause that keeps a filing out."""
    kept_out = (
        Outcome.BROKEN if report.verdict is Verdict.REFUSED else Outcome.UNKNOWN,
        errors.OffsetRefused if report.verdict is Verdict.REFUSED else errors.OffsetUndetermined,
    )
    faults = [
        Fault(
            "" if each.line is None else f"/lines/{each.line}",
            f"{each.clause}: {each.why.en}",
            f"{each.clause}: {each.why.zh}",
        )
        for each in report.findings
        if each.outcome is kept_out[0]
    ]
    return kept_out[1](*faults)


async def _facts(
    session: "AsyncSession", obligation: OffsetObligation, rule: DatedRule | None, filed_on: datetime.date
) -> ObligationFacts:
    """What is on record, with what the live lines use of each limit."""
    lines = [
        CheckedLine(line.kind, line.region, line.vintage, line.quantity_kg)
        for line in await repository.live_lines(session, obligation.id)
    ]
    return ObligationFacts(
        market=obligation.market,
        period=obligation.period,
        firm_region=obligation.region,
        filed_on=filed_on,
        issued_t=obligation.allowances_issued_t,
        surrender_t=obligation.allowances_to_surrender_t,
        file_by=obligation.file_by,
        used_kg={limit.code: counted(limit, lines) for limit in (rule.limits if rule is not None else ())},
    )


async def _of_origins(
    driver: "Driver", obligation: OffsetObligation, named: Sequence[str], quantities: Sequence[int]
) -> list[_Line]:
    """What units of origins are to the rules. Raises `OriginUnknown`."""
    ids = [parse_public_id("uor", each) for each in named]
    origins = await repository.origins(driver, [each for each in ids if each is not None])
    inside = {obligation.organisation_id, *obligation.boundary_ids}
    lines = []
    for place, (origin_id, quantity_kg) in enumerate(zip(ids, quantities, strict=True)):
        found = None if origin_id is None else origins.get(origin_id)
        if found is None:
            raise errors.OriginUnknown(Fault(f"/lines/{place}/origin_id", "no such units", "没有这种单位"))
        kind = book().kind_of(found["kind"], found["unit_type"], found["region"], found["methodology"])
        own = found["issued_to"] in inside or found["methodology"] in obligation.boundary_projects
        lines.append(
            _Line(
                CheckedLine(kind, found["region"], found["vintage"], quantity_kg, own), origin_id=found["id"]
            )
        )
    return lines


def _told(filing: OffsetFiling) -> dict[str, Any]:
    return filing.model_dump(mode="json", include={"state", "rule", "reason", "document"})


async def _write_down(
    session: "AsyncSession",
    actor: Actor,
    step: str,
    filing: OffsetFiling,
    reason: str,
    before: dict[str, Any] | None,
) -> None:
    session.add(filing)
    await session.flush()
    await audit.append(
        session,
        actor.principal,
        actor.now,
        f"offset_filing.{step}",
        ("offset_filing", public_id("ofl", filing.id)),
        region=filing.region,
        address=actor.address,
        reason=reason,
        before=before,
        after=_told(filing),
    )
