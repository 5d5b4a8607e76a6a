import pytest
from settling.books import Books

from app.wiring import Services


@pytest.fixture(scope="module")
def books(service: Services) -> Books:
    return Books(service)
