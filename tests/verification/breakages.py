"""What `verify` finds."""

import asyncpg

from app.verification import verify


async def breaches(root: asyncpg.Connection) -> dict[str, str]:
    """Rule → what it names, as the service's role finds it."""
    await root.execute("SET LOCAL ROLE tanpuhui_service")
    found = {finding.rule: finding.breach async for finding in verify(root)}
    return {rule: breach for rule, breach in found.items() if breach is not None}
