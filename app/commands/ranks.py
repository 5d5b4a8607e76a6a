"""`ranks rebuild`."""

import typer
from redis.asyncio import Redis

from app.commands.common import JsonFlag, bring_up_schema, console, print_json, run, stack_of
from app.database import Database, engine_for
from app.embedded.stack import Stack
from app.ranks import service
from app.ranks.store import Ranks
from app.settings import load_settings
from app.wiring import utc_now

ranks = typer.Typer(help="Public ranks, which live in Redis.", no_args_is_help=True)


@ranks.callback()
def _ranks() -> None:
    """Public ranks, which live in Redis."""


@ranks.command("rebuild")
def rebuild_command(as_json: JsonFlag = False) -> None:
    """Build all ranks anew from the books; the service goes on meanwhile."""
    settings = load_settings()

    async def work(stack: Stack) -> int:
        await bring_up_schema(stack)
        database = Database(engine_for(stack.database_url, pool_size=1, scans=True))
        redis = Redis.from_url(stack.redis_url)
        try:
            async with database.driver_transaction() as driver:
                return await service.rebuild(driver, Ranks(redis), utc_now())
        finally:
            await redis.aclose()
            await database.close()

    with stack_of(settings, quiet=as_json) as stack:
        scores = run(work(stack))
    if as_json:
        print_json({"scores": scores})
    else:
        console.print(f"The ranks are built: {scores:,} scores.", highlight=False)
