"""Residents of this machine's own service, for local commands."""

import datetime
from collections.abc import Sequence

from accounts import repository as ledger
from accounts.ids import parse_public_id
from app.auth.keys import KeyRing
from app.auth.residents import Sessions
from app.auth.tokens import Tokens
from app.database import Database, driver_of, engine_for
from app.embedded.stack import Stack
from app.settings import Settings
from app.wiring import utc_now


async def local_residents(settings: Settings, stack: Stack, holder_ids: Sequence[str]) -> list[str]:
    """Access tokens of residents, with sessions begun at this machine's own database: no code by SMS is sent."""
    database, now = Database(engine_for(stack.database_url, pool_size=1)), utc_now()
    key = settings.receipt_key.get_secret_value()
    tokens = Tokens(KeyRing(key), settings.access_token_seconds)
    idle = datetime.timedelta(days=settings.refresh_token_days)
    sessions = Sessions(tokens, key, idle, datetime.timedelta(days=settings.session_days))
    given = []
    try:
        async with database.transaction() as session:
            await tokens.keys.refresh(session, now)
            for holder in sorted(filter(None, (parse_public_id("hld", each) for each in holder_ids))):
                await ledger.lock_holders(await driver_of(session), [holder])
                given.append(
                    (await sessions.begin(session, holder, "phone", "demonstration", now)).access_token
                )
    finally:
        await database.close()
    return given
