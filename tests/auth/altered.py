"""What the fixture `altered` is."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx

Altered = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
"""Takes services by name, answers a client of an application that has them instead of its own."""
