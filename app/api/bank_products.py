"""The doors of banks for their green-loan products."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import TypeAdapter

from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.http import cursor_of, json_response, operation, parse, stated_version
from app.api.redeeming import Cursor, IfMatch, Limit, id_of, read_raw
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.lending import errors, products, repository
from app.lending.schemas import (
    BankProductInput,
    BankProductList,
    BankProductVersions,
    BankProductView,
    ProductExamples,
)
from dedup.periods import LOCAL

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

router = APIRouter(prefix="/v1/bank", tags=["bank loans"])
Lender = Annotated[Principal, Depends(caller(scopes.BANK_PRODUCTS_WRITE))]
ProductId = Annotated[str, Path(description="`bpr_…`", examples=["bpr_01a1fc693a86700e9ae525ac545ac6cd"])]
_PRODUCT: TypeAdapter[BankProductInput] = TypeAdapter(BankProductInput)
_EXAMPLE = {
    "code": "deep-green",
    "name": {"zh": "深绿居民碳信用贷", "en": "Deep-green personal loan"},
    "holder_kind": "person",
    "basis": "tier",
    "card": "wendeng",
    "table": [
        {
            "level": "deep_green",
            "limit_from_bp": 12000,
            "limit_to_bp": 13000,
            "discount_from_bp": 50,
            "discount_to_bp": 100,
        }
    ],
    "valid_from": "2030-01-01",
    "quote_days": 30,
}


@router.get(
    "/product-examples",
    response_model=ProductExamples,
    summary="Products after published cases",
    **operation(scopes.BANK_PRODUCTS_WRITE),
)
async def list_examples(principal: Lender, services: ServicesDep) -> Response:  # noqa: ARG001 - it signs in
    """To be adopted as they are, or changed: each is a body of `POST /v1/bank/products`."""
    today = services.intake.clock().astimezone(LOCAL).date()
    return json_response({"items": [each.model_dump(mode="json") for each in products.examples(today)]})


@router.post(
    "/products",
    response_model=BankProductView,
    summary="Publish a product",
    **operation(
        scopes.BANK_PRODUCTS_WRITE,
        body=BankProductInput,
        examples=[_EXAMPLE],
        errors=(errors.ProductCodeTaken, errors.ProductBeginsInThePast, "request.idempotency_conflict"),
    ),
)
async def publish_product(request: Request, principal: Lender, services: ServicesDep) -> Response:
    """Its table counts from its first day on; quotes are given on it from then on."""
    raw = await read_raw(request)
    body = parse(_PRODUCT, raw)

    async def act(session: "AsyncSession") -> Any:
        made = await products.add(
            await driver_of(session),
            principal.organisation_id,
            principal.client_id,
            body,
            services.intake.clock(),
        )
        return made.model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)


@router.get(
    "/products",
    response_model=BankProductList,
    summary="My products, each in its newest version",
    **operation(scopes.BANK_PRODUCTS_WRITE, errors=("request.invalid",)),
)
async def list_products(
    principal: Lender, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The product that was published last comes first."""
    before = cursor_of("bpr", cursor)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows = await repository.page_of_products(driver, principal.organisation_id, before, limit + 1)
        shown = await products.views(driver, rows[:limit], services.intake.clock())
    following = shown[-1].product_id if len(rows) > limit else None
    return json_response(BankProductList(items=shown, next_cursor=following).model_dump(mode="json"))


@router.get(
    "/products/{product_id}",
    response_model=BankProductView,
    summary="The newest version of one of my products",
    **operation(scopes.BANK_PRODUCTS_WRITE, errors=(errors.ProductNotFound,)),
)
async def read_product(product_id: ProductId, principal: Lender, services: ServicesDep) -> Response:
    """Begun or not; `in_force` tells whether quotes go by it today."""
    known = id_of("bpr", product_id, errors.ProductNotFound)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows = await repository.product_versions(driver, principal.organisation_id, known)
        shown = await products.views(driver, rows[:1], services.intake.clock())
    if not shown:
        raise errors.ProductNotFound
    return json_response(shown[0].model_dump(mode="json"))


@router.get(
    "/products/{product_id}/versions",
    response_model=BankProductVersions,
    summary="All versions of one of my products",
    **operation(scopes.BANK_PRODUCTS_WRITE, errors=(errors.ProductNotFound,)),
)
async def list_versions(product_id: ProductId, principal: Lender, services: ServicesDep) -> Response:
    """The newest first. None is ever changed."""
    known = id_of("bpr", product_id, errors.ProductNotFound)
    async with services.database.reading() as session:
        driver = await driver_of(session)
        rows = await repository.product_versions(driver, principal.organisation_id, known)
        shown = await products.views(driver, rows, services.intake.clock())
    if not shown:
        raise errors.ProductNotFound
    return json_response(BankProductVersions(items=shown).model_dump(mode="json"))


@router.put(
    "/products/{product_id}",
    response_model=BankProductView,
    summary="Publish the next version of a product",
    **operation(
        scopes.BANK_PRODUCTS_WRITE,
        body=BankProductInput,
        examples=[_EXAMPLE],
        errors=(
            errors.ProductNotFound,
            errors.ProductIfMatchMissing,
            errors.ProductEditedMeanwhile,
            errors.ProductCodeTaken,
            errors.ProductBeginsInThePast,
            "request.idempotency_conflict",
        ),
    ),
)
async def replace_product(
    product_id: ProductId,
    request: Request,
    principal: Lender,
    services: ServicesDep,
    if_match: IfMatch = None,
) -> Response:
    """From its first day on it takes the place of those before; with a last day it ends the product."""
    known = id_of("bpr", product_id, errors.ProductNotFound)
    raw = await read_raw(request)
    body = parse(_PRODUCT, raw)
    stated = stated_version(if_match, errors.ProductIfMatchMissing)

    async def act(session: "AsyncSession") -> Any:
        made = await products.replace(
            await driver_of(session),
            principal.organisation_id,
            principal.client_id,
            known,
            stated,
            body,
            services.intake.clock(),
        )
        return made.model_dump(mode="json")

    return await idempotency.write(request, principal, services, raw, act)
