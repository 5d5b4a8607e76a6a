"""Closes the period of one issuance in a process of its own, and says how long it took and how much memory.

`python -m app.bench.close_period DATABASE_URL ISSUANCE_ID FOLDER` prints seconds and bytes at most.
"""

import asyncio
import resource
import sys
import time
from pathlib import Path
from uuid import UUID

from app.database import Database, engine_for
from app.issuing.closing import work_at
from app.wiring import utc_now


async def close(url: str, issuance_id: UUID, folder: Path) -> None:
    """What the job does for an issuance that is closing."""
    database = Database(engine_for(url, pool_size=2, scans=True))
    try:
        await work_at(database, issuance_id, folder, utc_now)
    finally:
        await database.close()


def main() -> None:
    """Run the close."""
    url, issuance_id, folder = sys.argv[1:]
    began = time.perf_counter()
    asyncio.run(close(url, UUID(issuance_id), Path(folder)))
    took = time.perf_counter() - began
    unit = 1 if sys.platform == "darwin" else 1024
    print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
