"""Residents with credits, and tokens of theirs, for these tests."""

import datetime
from uuid import UUID

from helpers import Caller, City

from accounts.ids import parse_public_id
from app.auth.principal import Principal
from app.auth.scopes import ME_READ, ME_WRITE
from app.wiring import utc_now

LOCAL = datetime.timezone(datetime.timedelta(hours=8))


def uuid_of(public: str) -> UUID:
    found = parse_public_id(public[:3], public)
    assert found is not None
    return UUID(bytes=found.bytes)


def signed_in(city: City, holder: str, region: str = "440300") -> Caller:
    """A resident whose token may write, as sign-in gives it."""
    now = utc_now()
    principal = Principal(
        "resident",
        UUID(int=1),
        "",
        region,
        frozenset({ME_READ, ME_WRITE}),
        int(now.timestamp()) + 900,
        uuid_of(holder),
    )
    return Caller(city.http, city.service.tokens.issue(principal, now), "", "", "")


def ago(days: int, hour: int = 8) -> datetime.datetime:
    """An hour of a local day so many days ago; of yesterday's at the latest, so that it is over."""
    today = datetime.datetime.now(LOCAL).replace(minute=0, second=0, microsecond=0)
    return (today - datetime.timedelta(days=days)).replace(hour=hour)
