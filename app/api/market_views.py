"""How registry accounts, transfers and pledges are shown."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from accounts.ids import parse_public_id, public_id
from accounts.registry import repository
from accounts.registry import service as registry
from accounts.registry import transfer_repository as transfers
from accounts.units import service as units
from accounts.units import statements
from accounts.units.serials import Origin, format_serial
from app.api.market_schemas import (
    FreezeView,
    HeldUnits,
    HoldingView,
    MarketAccount,
    OperatorAccount,
    PledgeView,
    StatementLine,
    UnitTransferView,
)

if TYPE_CHECKING:
    import asyncpg

    from app.auth.principal import Principal
    from app.wiring import Services

SERIALS = 100
Shown = dict[str, Any]


async def account_id_of(driver: "asyncpg.Connection", principal: "Principal", services: "Services") -> UUID:
    """The caller's own registry account, opened on first use."""
    return (await registry.account_of(driver, principal.organisation_id, services.intake.clock())).id


def origin_id(text: str | None) -> UUID | None:
    """The origin that a body names."""
    return None if text is None else parse_public_id("uor", text)


def held_view(origin: Origin, quantity_kg: int) -> HeldUnits:
    """Units of one origin."""
    return HeldUnits(
        origin_id=public_id("uor", origin.id),
        kind=origin.kind.value,
        region=origin.region,
        methodology=origin.methodology,
        vintage=origin.vintage,
        unit_type=origin.unit_type,
        quantity_kg=quantity_kg,
    )


async def held_of(driver: "asyncpg.Connection", account_id: UUID) -> list[HeldUnits]:
    """What an account holds freely."""
    return [held_view(*each) for each in await units.available(driver, account_id)]


async def account_view(driver: "asyncpg.Connection", account: registry.RegistryAccount) -> Shown:
    """An account as its owner sees it."""
    return MarketAccount(**await _account(driver, account)).model_dump(mode="json")


async def operator_view(driver: "asyncpg.Connection", account: registry.RegistryAccount) -> Shown:
    """An account as operators see it."""
    owner = (
        public_id("org", account.organisation_id)
        if account.organisation_id is not None
        else public_id("hld", account.holder_id or account.id)
    )
    return OperatorAccount(
        **await _account(driver, account),
        owner_id=owner,
        version=account.version,
        freezes=[FreezeView(**dict(row)) for row in await repository.freezes(driver, account.id)],
    ).model_dump(mode="json")


async def _account(driver: "asyncpg.Connection", account: registry.RegistryAccount) -> Shown:
    return {
        "account_id": public_id("rac", account.id),
        "region": account.region,
        "opened_at": account.opened_at,
        "frozen": account.frozen_at is not None,
        "transfer_limit_kg": account.transfer_limit_kg,
        "daily_limit_kg": account.daily_limit_kg,
        "approval_above_kg": account.approval_above_kg,
        "held": await held_of(driver, account.id),
    }


def holding_view(each: statements.Holding) -> HoldingView:
    """One range."""
    return HoldingView(
        serial=format_serial(each.origin, each.units),
        origin_id=public_id("uor", each.origin.id),
        first_number=each.units.first,
        last_number=each.units.last,
        quantity_kg=each.units.quantity_kg,
        status=each.status,
        since=each.since,
    )


def line_view(line: statements.Line, account_id: UUID) -> StatementLine:
    """A movement as an account sees it."""
    direction = "within"
    if line.kind == "issued" or line.to_account_id == account_id:
        direction = "in"
    elif line.kind in ("transferred", "retired", "cancelled"):
        direction = "out"
    return StatementLine(
        movement_id=public_id("umv", line.id),
        kind=line.kind,
        direction=direction,
        account_id=public_id("rac", line.account_id),
        to_account_id=None if line.to_account_id is None else public_id("rac", line.to_account_id),
        quantity_kg=line.quantity_kg,
        serials=[format_serial(origin, part) for origin, part in line.parts[:SERIALS]],
        ranges=len(line.parts),
        at=line.at,
    )


def transfer_view(row: transfers.Row, account_id: UUID) -> Shown:
    """A transfer as one of its two accounts sees it."""
    return UnitTransferView(
        transfer_id=public_id("utr", row["id"]),
        direction="out" if row["account_id"] == account_id else "in",
        account_id=public_id("rac", row["account_id"]),
        to_account_id=public_id("rac", row["to_account_id"]),
        origin_id=None if row["origin_id"] is None else public_id("uor", row["origin_id"]),
        **{
            name: row[name]
            for name in ("quantity_kg", "note", "state", "proposed_at", "expires_at", "decided_at")
        },
    ).model_dump(mode="json")


async def pledge_views(driver: "asyncpg.Connection", rows: list[transfers.Row]) -> list[Shown]:
    """Pledges with what is left of them."""
    left = await transfers.left_of(driver, [row["id"] for row in rows])
    return [
        PledgeView(
            pledge_id=public_id("upl", row["id"]),
            account_id=public_id("rac", row["account_id"]),
            bank_id=public_id("org", row["bank_id"]),
            origin_id=None if row["origin_id"] is None else public_id("uor", row["origin_id"]),
            quantity_kg=row["quantity_kg"],
            left_kg=left.get(row["id"], 0),
            contract=row["contract"],
            state="pledged" if row["released_at"] is None else "released",
            pledged_at=row["pledged_at"],
            released_at=row["released_at"],
        ).model_dump(mode="json")
        for row in rows
    ]
