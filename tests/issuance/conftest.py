"""A city with an issuable text of its own, an applicant, a verifier, and a clock that tests set."""

from collections.abc import Callable
from pathlib import Path

import pytest_asyncio
from issuance.bureau import Bureau, Quarter, bureau_of, quarter_of
from versions.conftest import clock, office, opened
from versions.office import Office

__all__ = ["bureau", "clock", "office", "opened", "quarter"]


@pytest_asyncio.fixture(loop_scope="session")
async def bureau(office: Office, tmp_path: Path) -> Bureau:
    services = office.city.service
    services.settings = services.settings.model_copy(update={"issuance_dir": tmp_path})
    return await bureau_of(office, services, tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def quarter(bureau: Bureau, phones: Callable[[], str]) -> Quarter:
    return await quarter_of(bureau, phones)
