from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from crediting.county import county_preparer
from crediting.desk import Desk

from app.crediting.intake import Intake
from app.crediting.prepare import Preparer
from app.wiring import Services, utc_now


@pytest.fixture
def desk(service: Services) -> Desk:
    return Desk(service)


@pytest.fixture
async def county(service: Services, tmp_path: Path) -> Preparer:
    return await county_preparer(service, tmp_path)


@pytest.fixture
async def county_intake(service: Services, county: Preparer) -> AsyncIterator[Intake]:
    made = Intake(service.database, county, utc_now, committers=1, group_max=10)
    yield made
    await made.close()
