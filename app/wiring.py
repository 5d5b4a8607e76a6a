"""Puts the service together from its settings."""

import datetime
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from accounts.consent_texts import ConsentTexts, load_consent_texts
from accounts.scores.cards import load_cards
from app import metrics
from app.auth.keys import KeyRing
from app.auth.rate_limit import RateLimiter
from app.auth.sign_in import SignIn, sign_in_of
from app.auth.tokens import Tokens
from app.claiming.door import Claims
from app.crediting.intake import Intake
from app.crediting.prepare import Preparer
from app.crediting.repository import know_methodologies
from app.crediting.rules import Rules
from app.database import Database, engine_for
from app.events.orders import EventOrders
from app.exchanges.telling import Exchanges
from app.lending.exchange import BankExchange
from app.market.desk import FundingOrders
from app.metering.door import Readings
from app.neighbours import setup as neighbours
from app.neighbours.service import Neighbours
from app.payments.orders import RedemptionOrders
from app.payments.service import Payments
from app.payments.setup import client_of, payments_of
from app.quotas.models import QuotaKind
from app.quotas.service import Allowance, Quotas
from app.redeeming.consequences import Consequences
from app.redeeming.desk import RedemptionDesk
from app.scoring.in_force import CardsInForce
from app.settings import Settings
from app.tokens.exchange import check_present_key
from app.tokens.service import Evaluator
from app.versions.live import LiveMethodologies
from app.webhooks.delivery import Deliverer
from app.webhooks.signing import SecretBox
from app.webhooks.targets import Targets
from dedup.periods import DAY_S
from dedup.person_key import IdentityHasher, PersonKeys
from dedup.tokens import TokenMaker
from integrations import outbound
from methodologies import Catalogue, installed_plugins, load_catalogue
from points.payments.models import Subject
from points.programmes import load_programmes

log = structlog.get_logger(__name__)
REDIS_TIMEOUT_S = 0.5


def utc_now() -> datetime.datetime:
    """The service's clock. The domain is handed the time; nothing below reads a clock."""
    return datetime.datetime.now(datetime.UTC)


def read_catalogue(settings: Settings) -> Catalogue:
    """The methodologies that this deployment has: the built-in ones, and those of installed distributions."""
    return load_catalogue(demonstration=not settings.production, plugins=installed_plugins())


def _tell_refused(catalogue: Catalogue) -> None:
    for each in catalogue.refused:
        log.warning(
            "methodology pack refused",
            distribution=each.distribution,
            version=each.version,
            place=each.place,
            reason=each.error.message_en,
        )
    metrics.PACKS_REFUSED.set(len(catalogue.refused))


def person_keys_of(settings: Settings) -> PersonKeys:
    """The keys of person keys: the present one, and the next where there is one."""
    following = settings.oprf_next_key
    return PersonKeys(
        settings.oprf_key.get_secret_value(), None if following is None else following.get_secret_value()
    )


def _allowances(settings: Settings) -> dict[QuotaKind, Allowance]:
    return {
        QuotaKind.EVALUATIONS: Allowance(
            settings.evaluations_per_client_per_second * DAY_S, settings.evaluations_per_second * DAY_S
        ),
        QuotaKind.CLAIMS: Allowance(settings.claims_per_client_per_second * DAY_S),
        QuotaKind.QUERIES: Allowance(settings.claim_queries_per_client_per_second * DAY_S),
    }


@dataclass(slots=True)
class Services:
    """What the routes and jobs work with."""

    settings: Settings
    database: Database
    redis: Redis
    tokens: Tokens
    limiter: RateLimiter
    resident_limiter: RateLimiter
    catalogue: Catalogue
    """The packs'; with what operators decided, it is `rules_now().catalogue`."""
    preparer: Preparer
    intake: Intake
    hasher: IdentityHasher
    token_maker: TokenMaker
    person_keys: PersonKeys
    live: LiveMethodologies
    sign_in: SignIn
    webhooks: Deliverer
    redemptions: RedemptionDesk
    payments: Payments | None
    consent_texts: ConsentTexts
    quotas: Quotas
    evaluator: Evaluator
    claims: Claims
    neighbours: Neighbours
    readings: Readings
    banks: BankExchange
    exchanges: Exchanges

    def rules_now(self) -> Rules:
        """The rules that count at this moment, as far as this process knows; what credits asks the preparer."""
        return self.preparer.known_at(self.intake.clock())


@asynccontextmanager
async def services(
    settings: Settings,
    database_url: str,
    redis_url: str,
    clock: Callable[[], datetime.datetime] = utc_now,
) -> AsyncIterator[Services]:
    """Connect, load the methodologies, make them known to the database, and read the signing keys.

    `clock` tells the time to what credits and to what decides on methodologies.
    """
    database = Database(engine_for(database_url, pool_size=settings.database_pool_size))
    redis = Redis.from_url(
        redis_url,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    dedup_key = settings.dedup_key.get_secret_value()
    receipt_key = settings.receipt_key.get_secret_value()
    hasher = IdentityHasher(settings.identity_key.get_secret_value())
    token_maker = TokenMaker(dedup_key, receipt_key)
    person_keys = person_keys_of(settings)
    quotas = Quotas(database, _allowances(settings), clock)
    evaluator = Evaluator(person_keys, quotas, neighbours.federation_keys(settings))
    provider_http = client_of(settings)
    tokens = Tokens(KeyRing(receipt_key), settings.access_token_seconds)
    http = outbound.client()
    neighbour_http = neighbours.client()
    try:
        now = utc_now()
        catalogue = read_catalogue(settings)
        _tell_refused(catalogue)
        async with database.driver_transaction() as driver:
            ids = await know_methodologies(
                driver,
                [
                    # Issuable is what was approved here: `LiveMethodologies` tells of it.
                    (m.region, m.scene, m.code, m.version, m.content_hash, m.content, False)
                    for m in catalogue.methodologies
                ],
                now,
            )
        async with database.transaction() as session:
            await tokens.keys.rotate(session, now)
        async with database.reading() as session:
            await tokens.keys.refresh(session, now)
            await check_present_key(session, person_keys)
        preparer = Preparer(Rules(catalogue, load_programmes(), ids), hasher, token_maker)
        webhooks = Deliverer(
            database,
            preparer.listeners,
            Targets(loopback=settings.webhook_loopback),
            SecretBox(receipt_key),
            clock,
            max_attempts=settings.webhook_max_attempts,
            retry_s=settings.webhook_retry_seconds,
            timeout_s=settings.webhook_timeout_seconds,
            disable_after=datetime.timedelta(seconds=settings.webhook_disable_seconds),
        )
        await webhooks.refresh()
        exchange = neighbours.neighbours_of(settings, database, preparer, person_keys, clock, neighbour_http)
        await exchange.directory.lines()
        intake = Intake(
            database,
            preparer,
            clock,
            committers=settings.committers,
            group_max=settings.group_commit_max,
            elsewhere=exchange.elsewhere,
        )
        desk = RedemptionDesk(
            database,
            preparer,
            clock,
            also=Consequences(preparer.listeners),
            hold=datetime.timedelta(seconds=settings.redemption_hold_seconds),
            # One at a time: groups that share an offer would wait for each other, and one larger group costs less.
            committers=1,
            group_max=settings.group_commit_max,
        )
        claims = Claims(
            database,
            preparer,
            token_maker,
            quotas,
            clock,
            committers=settings.committers,
            group_max=settings.group_commit_max,
        )
        readings = Readings(
            database,
            clock,
            # One at a time: batches of the same meters would wait for each other, and look at each row twice.
            committers=1,
            group_max=settings.group_commit_max,
        )
        live = LiveMethodologies(
            database,
            redis,
            catalogue,
            preparer,
            clock,
            lead_s=settings.activation_lead_seconds,
            poll_s=settings.methodology_poll_seconds,
            cards=CardsInForce(load_cards(*([settings.score_cards_dir] if settings.score_cards_dir else []))),
        )
        await live.refresh()
        yield Services(
            settings=settings,
            database=database,
            redis=redis,
            tokens=tokens,
            limiter=RateLimiter(redis, settings.client_requests_per_second),
            resident_limiter=RateLimiter(redis, settings.resident_requests_per_second),
            catalogue=catalogue,
            preparer=preparer,
            intake=intake,
            hasher=hasher,
            token_maker=token_maker,
            person_keys=person_keys,
            live=live,
            sign_in=sign_in_of(settings, http, redis, tokens, hasher, person_keys, clock),
            webhooks=webhooks,
            redemptions=desk,
            payments=payments_of(
                settings,
                database,
                {
                    Subject.REDEMPTION: RedemptionOrders(desk.policy),
                    Subject.EVENT: EventOrders(tokens.keys),
                    Subject.MARKET_FUNDING: FundingOrders(),
                },
                clock,
                provider_http,
            ),
            consent_texts=load_consent_texts(),
            quotas=quotas,
            evaluator=evaluator,
            claims=claims,
            neighbours=exchange,
            readings=readings,
            banks=BankExchange(database, tokens.keys, SecretBox(receipt_key), clock, http),
            exchanges=Exchanges(database, tokens.keys, SecretBox(receipt_key), clock, http),
        )
        await intake.close()
        await desk.close()
        await claims.close()
        await readings.close()
    finally:
        evaluator.close()
        await http.aclose()
        await neighbour_http.aclose()
        await provider_http.aclose()
        await redis.aclose()
        await database.close()
