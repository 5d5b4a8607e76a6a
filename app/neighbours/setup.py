"""Puts the exchange with neighbours together from the settings."""

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx

from app.neighbours.asking import Elsewhere
from app.neighbours.client import Door
from app.neighbours.directory import Directory
from app.neighbours.federation import AskedEvaluator, Evaluator, Federation, OwnEvaluator
from app.neighbours.ledger import Ledger
from app.neighbours.pulling import Puller
from app.neighbours.service import Neighbours
from app.webhooks.signing import SecretBox
from dedup.person_key import PersonKeys
from integrations import outbound

if TYPE_CHECKING:
    from app.crediting.prepare import Preparer
    from app.database import Database
    from app.settings import Settings

TIMEOUT = httpx.Timeout(20, connect=3)
"""Of a page; a question before a credit has its own."""


def client() -> httpx.AsyncClient:
    """The client that asks neighbours."""
    http = outbound.client()
    http.timeout = TIMEOUT
    return http


def federation_keys(settings: "Settings") -> PersonKeys | None:
    """The federation's key, where this deployment is its evaluator."""
    key = settings.federation_oprf_key
    return None if key is None else PersonKeys(key.get_secret_value())


def _evaluator(settings: "Settings", http: httpx.AsyncClient) -> Evaluator | None:
    keys = federation_keys(settings)
    if keys is not None:
        return OwnEvaluator(keys)
    if (
        settings.federation_url is None
        or settings.federation_client_id is None
        or settings.federation_client_secret is None
        or settings.federation_key_id is None
    ):
        return None
    door = Door(
        http,
        settings.federation_url.rstrip("/"),
        settings.federation_client_id,
        settings.federation_client_secret.get_secret_value(),
    )
    return AskedEvaluator(door, settings.federation_key_id)


def neighbours_of(
    settings: "Settings",
    database: "Database",
    preparer: "Preparer",
    person_keys: PersonKeys,
    clock: Callable[[], datetime.datetime],
    http: httpx.AsyncClient,
) -> Neighbours:
    """Without a key of a federation nothing is computed at onboarding, without a common key nothing at intake."""
    box = SecretBox(settings.receipt_key.get_secret_value())
    directory = Directory(database, http, box, settings.neighbour_timeout_ms / 1000)
    made = Neighbours(
        database, directory, Puller(database, directory, clock), clock, lambda: preparer.known_at(clock())
    )
    evaluator = _evaluator(settings, http)
    if evaluator is not None:
        made.federation = Federation(database, person_keys, evaluator)
    if settings.exchange_key is not None:
        made.ledger = Ledger(settings.exchange_key.get_secret_value())
        made.elsewhere = Elsewhere(database, preparer, made.ledger, directory, clock)
        preparer.ledger = made.ledger
    return made
