"""An account as its holder and its operator see it."""

from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from accounts import queries
from accounts.errors import HolderNotFound
from accounts.ids import public_id
from accounts.quantities import grams
from accounts.schemas import AccountView, ExpiringPoints
from points.queries import expiring


async def account_view(session: AsyncSession, holder_id: UUID) -> AccountView:
    """Balances, and when points go."""
    found = await queries.find_holder(session, holder_id)
    if found is None:
        raise HolderNotFound
    holder, balance = found
    return AccountView(
        holder_id=public_id("hld", holder.id),
        kind=holder.kind,
        region=holder.region,
        open_co2e_g=grams(balance.open_mg),
        points=balance.points,
        points_expiring=[
            ExpiringPoints(expires_on=day.isoformat(), points=points)
            for day, points in await expiring(session, holder_id)
        ],
    )
