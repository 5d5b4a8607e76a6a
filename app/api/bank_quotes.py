"""The door of banks for quotes: which terms a customer reaches of a product, with the customer's consent."""

from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter

from accounts.errors import HolderNotFound
from accounts.ids import parse_public_id
from accounts.queries import find_holder
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.bank_door import bank_caller
from app.api.http import json_response, operation, parse
from app.api.redeeming import id_of, read_raw
from app.auth import scopes
from app.auth.principal import Principal
from app.banking import grants
from app.banking.errors import AccessRefused
from app.banking.terms import Purpose, Scope
from app.database import driver_of
from app.lending import errors, quotes, repository
from app.lending.decision import Wish
from app.lending.exchange import Notice, tell
from app.lending.models import Basis
from app.lending.schemas import QuoteInput, QuoteView
from app.lending.standings import standing_of
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

router = APIRouter(prefix="/v1/bank/quotes", tags=["bank loans"])
Asking = Annotated[Principal, Depends(bank_caller("quote", scopes.BANK_PRODUCTS_WRITE))]
Lender = Annotated[Principal, Depends(caller(scopes.BANK_PRODUCTS_WRITE))]
QuoteId = Annotated[str, Path(description="`quo_…`", examples=["quo_01a1fc693a86700e9ae525ac545ac6cd"])]
_QUOTE: TypeAdapter[QuoteInput] = TypeAdapter(QuoteInput)
_EXAMPLE = {
    "reference": "cus_" + "0" * 32,
    "product_id": "bpr_" + "0" * 32,
    "limit_fen": 25000000,
    "rate_bp": 485,
}


@router.post(
    "",
    response_model=QuoteView,
    summary="Ask which terms a customer reaches of a product",
    **operation(
        scopes.BANK_PRODUCTS_WRITE,
        body=QuoteInput,
        examples=[_EXAMPLE],
        errors=(
            AccessRefused,
            errors.ProductNotFound,
            errors.ProductNotInForce,
            "request.idempotency_conflict",
        ),
    ),
)
async def make_quote(request: Request, principal: Asking, services: ServicesDep) -> Response:
    """Needs the customer's grant of `tier` for a loan application. It is kept as it was told, eligible or not."""
    raw = await read_raw(request)
    body = parse(_QUOTE, raw)
    customer = grants.Customer(reference=parse_public_id("cus", body.reference))

    async def act(session: "AsyncSession") -> Any:
        driver = await driver_of(session)
        now = services.intake.clock()
        # First of all: a refusal commits what was written before it.
        granted = await grants.require(driver, _ask(principal), customer, now)
        product_id = id_of("bpr", body.product_id, errors.ProductNotFound)
        offer = await quotes.offer(driver, principal.organisation_id, product_id, now)
        found = await find_holder(session, granted.holder_id)
        if found is None:
            raise HolderNotFound
        standing = await standing_of(
            driver,
            services.live.score_cards(),
            granted.holder_id,
            Basis(offer.row["basis"]),
            offer.row["card"],
            now.astimezone(LOCAL).date(),
        )
        whose = quotes.Customer(
            granted.holder_id,
            found[0].kind,
            found[0].region,
            principal.organisation_id,
            granted.id,
            body.reference,
        )
        view = await quotes.quote(driver, whose, offer, standing, Wish(body.limit_fen, body.rate_bp), now)
        told = view.model_dump(mode="json")
        notice = Notice(
            principal.organisation_id, granted.holder_id, granted.id, "quote.made", view.quote_id, told
        )
        await tell(driver, [notice], now)
        return told

    answer = await idempotency.write(request, principal, services, raw, act)
    if "Idempotent-Replayed" in answer.headers:
        # A withdrawal ends what is kept for retries as well.
        async with services.database.transaction() as session:
            await grants.require(await driver_of(session), _ask(principal), customer, services.intake.clock())
    return answer


def _ask(principal: Principal) -> grants.Ask:
    return grants.Ask(
        principal.organisation_id, principal.name, Purpose.LOAN_APPLICATION, Scope.TIER, "quote"
    )


@router.get(
    "/{quote_id}",
    response_model=QuoteView,
    summary="One of my quotes",
    **operation(scopes.BANK_PRODUCTS_WRITE, errors=(errors.QuoteNotFound, AccessRefused)),
)
async def read_quote(quote_id: QuoteId, principal: Lender, services: ServicesDep) -> Response:
    """As it was told, while the customer still lets the bank ask; what has changed since is another quote."""
    known = id_of("quo", quote_id, errors.QuoteNotFound)
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        row = await repository.find_quote(driver, principal.organisation_id, known)
        if row is None:
            raise errors.QuoteNotFound
        customer = grants.Customer(holder_id=row["holder_id"])
        await grants.require(driver, _ask(principal), customer, services.intake.clock())
    return json_response(orjson.loads(row["answer"]))
