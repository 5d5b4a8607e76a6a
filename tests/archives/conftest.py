"""A desk for the tests of archives."""

import pytest
from crediting.desk import Desk

from app.wiring import Services


@pytest.fixture
def desk(service: Services) -> Desk:
    return Desk(service)
