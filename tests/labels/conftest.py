import asyncpg
import pytest
from labels.district import District, new_region

from app.wiring import Services


@pytest.fixture
def district(service: Services, owner: asyncpg.Connection) -> District:
    """A city of its own, so that runs of tests do not meet."""
    return District(service, owner, new_region())
