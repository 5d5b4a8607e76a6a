"""For each door of banks' loans something real to be asked for, so that made-up calls reach a success."""

import uuid
from typing import Any

from lending.lender import Lender, product, today


async def known_loans(lender: Lender) -> dict[tuple[str, str], Any]:
    """(method, path) → path parameters, body and version."""
    made = await lender.publish()
    loans = [(await lender.lend(await lender.quoted(made["product_id"]))).json() for _ in range(2)]
    quote = await lender.quoted(made["product_id"])
    figures = {"amount_fen": 1, "rate_bp": 1, "granted_on": today()}
    one, door = {"product_id": made["product_id"]}, "/v1/bank/products"
    loan = {"loan_id": loans[0]["loan_id"]}
    return {
        ("GET", door): ({}, None, None),
        ("POST", door): ({}, product(code=uuid.uuid4().hex[:12]), None),
        ("GET", door + "/{product_id}"): (one, None, None),
        ("GET", door + "/{product_id}/versions"): (one, None, None),
        ("PUT", door + "/{product_id}"): (one, product(code=made["code"]), 1),
        ("GET", "/v1/bank/loans"): ({}, None, None),
        ("POST", "/v1/bank/loans"): ({}, {"number": "L-1", "quote_id": quote, **figures}, None),
        ("GET", "/v1/bank/loans/{loan_id}"): (loan, None, None),
        ("PUT", "/v1/bank/loans/{loan_id}"): (loan, {**figures, "reason": "x"}, 1),
        ("GET", "/v1/operator/green-credit"): ({}, None, None),
        ("GET", "/v1/operator/green-credit/differences"): ({}, None, None),
        ("POST", "/v1/reports/verification"): ({}, {"jws": "e30.e30.e30"}, None),
    }
