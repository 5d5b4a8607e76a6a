"""Who may do what: every route with every kind of token, foreign ids, regions, and the database's own rights."""

import itertools
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from api.stage import Stage, kept
from enterprises.plant import made_plant
from event_footprints.events_known import FOOTPRINT
from fastapi.routing import APIRoute
from helpers import Caller, City, metro
from starlette.routing import Route

from app.application import create_app
from app.auth.principal import covers
from app.claiming.schemas import ACT_EXAMPLE, CLAIM_EXAMPLE
from app.ranks.service import rebuild
from app.ranks.store import Ranks
from app.recalculation.figures import Figures
from app.tokens.schemas import ELEMENT_EXAMPLE
from app.wiring import utc_now

AUDIENCES = (
    "platform",
    "other_platform",
    "operator",
    "foreign_operator",
    "bank",
    "merchant",
    "neighbour",
    "enterprise",
    "participant",
    "verifier",
    "resident",
    "other_resident",
    "nobody",
    "garbage",
)


def rights(**given: int) -> dict[str, int]:
    """What each audience is answered: 403 where nothing is given, 401 without a good token."""
    return {"nobody": 401, "garbage": 401} | {name: given.get(name, 403) for name in AUDIENCES[:-2]}


ANYBODY = dict.fromkeys(AUDIENCES, 200)
READERS = rights(
    platform=200,
    other_platform=404,
    operator=200,
    foreign_operator=404,
    resident=200,
    other_resident=404,
)
WEBHOOK = rights(platform=200, other_platform=404, merchant=404, bank=404, enterprise=404)
# The ids in the paths are the operator's holder, the resident itself, and an activity that the platform reported.
ROUTES: dict[tuple[str, str], dict[str, int]] = {
    ("POST", "/oauth/token"): dict.fromkeys(AUDIENCES, 401),
    ("GET", "/.well-known/jwks.json"): ANYBODY,
    ("GET", "/v1/methodologies"): ANYBODY,
    ("GET", "/v1/methodologies/placeholders"): ANYBODY,
    ("GET", "/v1/factors"): ANYBODY,
    ("GET", "/v1/ledger/heads"): ANYBODY,
    ("GET", "/v1/factors/{name}"): ANYBODY,
    ("GET", "/v1/public/event-footprints/items"): ANYBODY,
    ("POST", "/v1/public/event-footprints"): ANYBODY,
    ("GET", "/healthz"): ANYBODY,
    ("GET", "/readyz"): ANYBODY,
    ("GET", "/metrics"): ANYBODY,
    ("GET", "/docs"): ANYBODY,
    ("GET", "/docs/oauth2-redirect"): ANYBODY,
    ("GET", "/openapi.json"): ANYBODY,
    ("POST", "/v1/activities"): rights(platform=200, other_platform=200),
    ("POST", "/v1/activities/batch"): rights(platform=200, other_platform=200),
    ("GET", "/v1/activities/{activity_id}"): READERS,
    ("GET", "/v1/activities/{activity_id}/explanation"): READERS,
    ("POST", "/v1/activities/{activity_id}/reversal"): rights(
        platform=409, other_platform=404, operator=409, foreign_operator=404
    ),
    ("POST", "/v1/activities/{activity_id}/collection"): rights(platform=409, other_platform=404),
    ("POST", "/v1/claims/batch"): rights(platform=200, other_platform=200),
    ("POST", "/v1/claims/query"): rights(platform=200, other_platform=200),
    ("PUT", "/v1/claims/disclosure"): rights(platform=200, other_platform=200),
    ("GET", "/v1/claims/{claim_id}"): rights(platform=200, other_platform=404),
    ("POST", "/v1/claims/{claim_id}/release"): rights(platform=409, other_platform=404),
    # The one of a deployment that has no federation has no key for neighbours.
    ("POST", "/v1/tokens/evaluate"): rights(platform=200, other_platform=200, neighbour=422),
    ("GET", "/v1/neighbour/claims"): rights(neighbour=200),
    ("POST", "/v1/neighbour/claims/query"): rights(neighbour=200),
    ("GET", "/v1/operator/neighbours"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/neighbours/{neighbour_id}/reconciliation"): rights(
        operator=404, foreign_operator=404
    ),
    ("POST", "/v1/operator/neighbours/{neighbour_id}/reconciliation/{activity_id}/reversal"): rights(
        operator=404, foreign_operator=404
    ),
    ("GET", "/v1/operator/neighbour-agreements"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/neighbour-agreements"): rights(operator=200, foreign_operator=403),
    ("GET", "/v1/operator/neighbour-agreements/{agreement_id}"): rights(operator=200, foreign_operator=404),
    ("PUT", "/v1/operator/neighbour-agreements/{agreement_id}"): rights(operator=412, foreign_operator=404),
    ("POST", "/v1/operator/neighbour-agreements/{agreement_id}/approval"): rights(
        operator=412, foreign_operator=404
    ),
    ("GET", "/v1/score-cards"): ANYBODY,
    ("GET", "/certificates"): ANYBODY,
    ("GET", "/v1/public/projects"): ANYBODY,
    ("POST", "/v1/operator/projects"): rights(operator=422, foreign_operator=422),
    ("POST", "/v1/operator/projects/{project_id}/stocks"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/project-stocks/{stock_id}/verification"): rights(
        operator=404, foreign_operator=404
    ),
    ("GET", "/certificates/{number}"): dict.fromkeys(AUDIENCES, 404),
    ("GET", "/v1/public/certificates/{number}"): dict.fromkeys(AUDIENCES, 404),
    ("GET", "/v1/public/certificates/{number}/certificate.jws"): dict.fromkeys(AUDIENCES, 404),
    ("GET", "/v1/public/certificates/{number}/certificate.pdf"): dict.fromkeys(AUDIENCES, 404),
    ("POST", "/v1/public/certificates/verification"): ANYBODY,
    ("GET", "/v1/operator/certificates"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/certificate-seal"): rights(operator=404, foreign_operator=404),
    ("PUT", "/v1/operator/certificate-seal"): rights(operator=415, foreign_operator=415),
    ("POST", "/v1/operator/certificates/{number}/reissue"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/certificates/{number}/revocation"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/me/certificates"): rights(resident=200, other_resident=200),
    ("PUT", "/v1/me/certificates/{number}/name"): rights(),
    ("GET", "/v1/me/scores"): rights(resident=200, other_resident=200),
    ("GET", "/v1/me/scores/{card}"): rights(resident=404, other_resident=404),
    ("GET", "/v1/operator/score-cards"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/score-cards"): rights(operator=200, foreign_operator=403),
    ("GET", "/v1/operator/score-cards/{set_id}"): rights(operator=200, foreign_operator=404),
    ("PUT", "/v1/operator/score-cards/{set_id}"): rights(operator=412, foreign_operator=404),
    ("POST", "/v1/operator/score-cards/{set_id}/approval"): rights(operator=412, foreign_operator=404),
    ("GET", "/v1/operator/conduct-records"): rights(operator=200, foreign_operator=200),
    # The holder of the example is nobody's.
    ("POST", "/v1/operator/conduct-records"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/conduct-records/{record_id}/withdrawal"): rights(
        operator=404, foreign_operator=404
    ),
    ("GET", "/v1/tokens/keys"): ANYBODY,
    # A platform of the nation is no operator's of a province.
    ("POST", "/v1/operator/quota-grants"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/operator/quota-grants"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/quota-use"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/bank/product-examples"): rights(bank=200),
    ("POST", "/v1/bank/quotes"): rights(bank=403),
    ("GET", "/v1/bank/quotes/{quote_id}"): rights(bank=404),
    ("POST", "/v1/bank/reports"): rights(bank=403),
    ("GET", "/v1/bank/reports/{report_id}"): rights(bank=404),
    ("GET", "/v1/bank/reports/{report_id}/report.pdf"): rights(bank=404),
    ("POST", "/v1/reports/verification"): ANYBODY,
    ("GET", "/v1/operator/green-credit/differences"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/bank/products"): rights(bank=200),
    ("POST", "/v1/bank/products"): rights(bank=422),
    ("GET", "/v1/bank/products/{product_id}"): rights(bank=404),
    ("GET", "/v1/bank/products/{product_id}/versions"): rights(bank=404),
    ("PUT", "/v1/bank/products/{product_id}"): rights(bank=422),
    ("GET", "/v1/bank/loans"): rights(bank=200),
    ("POST", "/v1/bank/loans"): rights(bank=422),
    ("GET", "/v1/bank/loans/{loan_id}"): rights(bank=404),
    ("PUT", "/v1/bank/loans/{loan_id}"): rights(bank=422),
    ("GET", "/v1/operator/green-credit"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/aggregation"): rights(platform=200, other_platform=200),
    ("GET", "/v1/platform-quality"): rights(platform=200, other_platform=200),
    ("GET", "/v1/operator/platform-quality"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/me/preferred-platforms"): rights(resident=200, other_resident=200),
    ("PUT", "/v1/me/preferred-platforms/{scene_group}"): rights(),
    ("GET", "/v1/operator/aggregation"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/holders/batch"): rights(
        platform=200, other_platform=200, operator=200, foreign_operator=200
    ),
    ("GET", "/v1/operator/holders/{holder_id}"): rights(operator=200, foreign_operator=404),
    ("POST", "/v1/operator/holders/{holder_id}/token"): rights(operator=200, foreign_operator=404),
    ("POST", "/v1/operator/holders/{holder_id}/consents/withdrawal"): rights(
        operator=200, foreign_operator=404
    ),
    ("GET", "/v1/operator/programmes"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/programmes"): rights(operator=200, foreign_operator=403),
    ("GET", "/v1/operator/programmes/{programme_id}"): rights(operator=200, foreign_operator=404),
    ("PUT", "/v1/operator/programmes/{programme_id}"): rights(operator=412, foreign_operator=404),
    ("POST", "/v1/operator/programmes/{programme_id}/approval"): rights(operator=412, foreign_operator=404),
    ("GET", "/v1/operator/campaigns"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/campaigns"): rights(operator=200, foreign_operator=403),
    ("GET", "/v1/operator/campaigns/{campaign_id}"): rights(operator=200, foreign_operator=404),
    ("PUT", "/v1/operator/campaigns/{campaign_id}"): rights(operator=412, foreign_operator=404),
    ("POST", "/v1/operator/campaigns/{campaign_id}/approval"): rights(operator=412, foreign_operator=404),
    ("POST", "/v1/operator/campaigns/{campaign_id}/end"): rights(operator=412, foreign_operator=404),
    ("GET", "/v1/operator/methodologies"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/methodologies"): rights(operator=409, foreign_operator=403),
    ("POST", "/v1/operator/methodologies/check"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/methodologies/timeline"): rights(operator=200, foreign_operator=403),
    ("GET", "/v1/operator/methodologies/exclusions"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/methodologies/exclusions"): rights(operator=422, foreign_operator=403),
    ("GET", "/v1/operator/methodologies/exclusions/{exclusion_id}"): rights(
        operator=200, foreign_operator=404
    ),
    ("POST", "/v1/operator/methodologies/exclusions/{exclusion_id}/approval"): rights(
        operator=412, foreign_operator=404
    ),
    ("POST", "/v1/operator/methodologies/exclusions/{exclusion_id}/end"): rights(
        operator=412, foreign_operator=404
    ),
    ("POST", "/v1/operator/methodologies/exclusions/{exclusion_id}/withdrawal"): rights(
        operator=412, foreign_operator=404
    ),
    ("GET", "/v1/operator/methodologies/adoptions"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/methodologies/adoptions"): rights(operator=422, foreign_operator=403),
    ("GET", "/v1/operator/methodologies/adoptions/{adoption_id}"): rights(operator=200, foreign_operator=404),
    ("POST", "/v1/operator/methodologies/adoptions/{adoption_id}/approval"): rights(
        operator=412, foreign_operator=404
    ),
    ("POST", "/v1/operator/methodologies/adoptions/{adoption_id}/end"): rights(
        operator=412, foreign_operator=404
    ),
    ("POST", "/v1/operator/methodologies/adoptions/{adoption_id}/withdrawal"): rights(
        operator=412, foreign_operator=404
    ),
    ("POST", "/v1/operator/methodologies/retirements"): rights(operator=422, foreign_operator=403),
    ("GET", "/v1/operator/methodologies/{revision_id}"): rights(operator=200, foreign_operator=404),
    ("GET", "/v1/operator/methodologies/{revision_id}/shadow"): rights(operator=200, foreign_operator=404),
    ("PUT", "/v1/operator/methodologies/{revision_id}"): rights(operator=412, foreign_operator=404),
    ("POST", "/v1/operator/methodologies/{revision_id}/submission"): rights(
        operator=412, foreign_operator=404
    ),
    ("POST", "/v1/operator/methodologies/{revision_id}/approval"): rights(operator=409, foreign_operator=404),
    ("POST", "/v1/operator/methodologies/{revision_id}/activation"): rights(
        operator=409, foreign_operator=404
    ),
    ("POST", "/v1/operator/methodologies/{revision_id}/retirement"): rights(
        operator=412, foreign_operator=404
    ),
    ("GET", "/v1/operator/recalculations"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/recalculations"): rights(operator=409, foreign_operator=404),
    ("GET", "/v1/operator/recalculations/{recalculation_id}"): rights(operator=200, foreign_operator=404),
    ("POST", "/v1/operator/recalculations/{recalculation_id}/approval"): rights(
        operator=409, foreign_operator=404
    ),
    ("POST", "/v1/operator/recalculations/{recalculation_id}/cancellation"): rights(
        operator=409, foreign_operator=404
    ),
    # Who may is told that the body is none, or does not fit; `tests/enterprises` has the rights of roles.
    ("GET", "/v1/enterprises/profile"): rights(enterprise=200),
    ("GET", "/v1/enterprises/alerts"): rights(enterprise=200),
    ("GET", "/v1/enterprises/alerts/{alert_id}"): rights(enterprise=404),
    ("POST", "/v1/enterprises/alerts/{alert_id}/acknowledgement"): rights(enterprise=404),
    ("POST", "/v1/enterprises/alerts/{alert_id}/closure"): rights(enterprise=400),
    ("GET", "/v1/enterprises/meters/{meter_id}/expected-use"): rights(enterprise=422),
    ("GET", "/v1/enterprises/load-shedding/lines"): rights(enterprise=200),
    ("PUT", "/v1/enterprises/load-shedding/lines/{line_id}"): rights(enterprise=422),
    ("GET", "/v1/enterprises/load-shedding/plans"): rights(enterprise=200),
    ("POST", "/v1/enterprises/load-shedding/plans"): rights(enterprise=400),
    ("GET", "/v1/enterprises/load-shedding/plans/{plan_id}"): rights(enterprise=404),
    ("POST", "/v1/enterprises/load-shedding/plans/{plan_id}/acceptance"): rights(enterprise=400),
    ("POST", "/v1/enterprises/load-shedding/plans/{plan_id}/drop"): rights(enterprise=404),
    ("GET", "/v1/enterprises/sites"): rights(enterprise=200),
    ("POST", "/v1/enterprises/sites"): rights(enterprise=400),
    ("GET", "/v1/enterprises/sites/{site_id}"): rights(enterprise=404),
    ("PUT", "/v1/enterprises/sites/{site_id}"): rights(enterprise=422),
    ("GET", "/v1/enterprises/lines"): rights(enterprise=200),
    ("POST", "/v1/enterprises/lines"): rights(enterprise=400),
    ("GET", "/v1/enterprises/lines/{line_id}"): rights(enterprise=404),
    ("PUT", "/v1/enterprises/lines/{line_id}"): rights(enterprise=422),
    ("GET", "/v1/enterprises/meters"): rights(enterprise=200),
    ("POST", "/v1/enterprises/meters"): rights(enterprise=400),
    ("GET", "/v1/enterprises/meters/{meter_id}"): rights(enterprise=404),
    ("PUT", "/v1/enterprises/meters/{meter_id}"): rights(enterprise=422),
    ("POST", "/v1/enterprises/meters/{meter_id}/removal"): rights(enterprise=400),
    ("POST", "/v1/enterprises/figures"): rights(enterprise=400),
    ("GET", "/v1/enterprises/figures"): rights(enterprise=200),
    ("GET", "/v1/enterprises/label"): rights(enterprise=404),
    ("GET", "/v1/enterprises/label/history"): rights(enterprise=200),
    ("GET", "/v1/enterprises/label/benchmark"): rights(enterprise=409),
    ("POST", "/v1/operator/label-figures/batch"): rights(operator=400, foreign_operator=400),
    ("GET", "/v1/operator/enterprises/{enterprise_id}/figures"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/enterprises/label/preview"): rights(enterprise=409),
    ("GET", "/v1/enterprises/label/improvement"): rights(enterprise=409),
    ("GET", "/v1/operator/label-runs"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/label-runs"): rights(operator=400, foreign_operator=400),
    ("GET", "/v1/operator/label-runs/{run_id}"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/operator/label-runs/{run_id}/labels"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/label-runs/{run_id}/publication"): rights(operator=400, foreign_operator=400),
    ("GET", "/v1/operator/label-rules"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/label-rules/examples"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/label-rules"): rights(operator=400, foreign_operator=400),
    ("GET", "/v1/operator/label-rules/{rules_id}"): rights(operator=404, foreign_operator=404),
    ("PUT", "/v1/operator/label-rules/{rules_id}"): rights(operator=422, foreign_operator=422),
    ("POST", "/v1/operator/label-rules/{rules_id}/approval"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/enterprises/members"): rights(enterprise=200),
    ("POST", "/v1/enterprises/members/{member_id}/role"): rights(enterprise=400),
    ("POST", "/v1/enterprises/members/{member_id}/removal"): rights(enterprise=404),
    ("GET", "/v1/enterprises/invitations"): rights(enterprise=200),
    ("POST", "/v1/enterprises/invitations"): rights(enterprise=400),
    ("POST", "/v1/enterprises/invitations/{invitation_id}/withdrawal"): rights(enterprise=404),
    ("GET", "/v1/enterprises/clients"): rights(enterprise=200),
    ("POST", "/v1/enterprises/clients"): rights(enterprise=400),
    ("POST", "/v1/enterprises/clients/{client_id}/end"): rights(enterprise=404),
    ("GET", "/v1/me/enterprises"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/enterprises/join"): rights(),
    ("POST", "/v1/me/enterprises/{enterprise_id}/token"): rights(),
    ("POST", "/v1/me/enterprises/{enterprise_id}/leave"): rights(),
    ("POST", "/v1/operator/enterprises/{enterprise_id}/owners"): rights(operator=400, foreign_operator=400),
    ("GET", "/v1/enterprises/scores"): rights(enterprise=200),
    ("GET", "/v1/enterprises/scores/{card}"): rights(enterprise=404),
    ("GET", "/v1/enterprises/score-reviews"): rights(enterprise=200),
    ("POST", "/v1/enterprises/score-reviews"): rights(enterprise=400),
    ("GET", "/v1/enterprises/receipts"): rights(enterprise=200),
    ("GET", "/v1/enterprises/receipts/{receipt_id}"): rights(enterprise=404),
    ("GET", "/v1/enterprises/exports"): rights(enterprise=200),
    ("POST", "/v1/enterprises/exports"): rights(enterprise=200),
    ("GET", "/v1/enterprises/exports/{export_id}"): rights(enterprise=404),
    ("POST", "/v1/enterprises/readings/batch"): rights(enterprise=400),
    ("GET", "/v1/enterprises/meters/{meter_id}/uses"): rights(enterprise=422),
    ("GET", "/v1/enterprises/meters/{meter_id}/readings"): rights(enterprise=422),
    ("GET", "/v1/enterprises/meters/{meter_id}/gaps"): rights(enterprise=422),
    ("GET", "/v1/enterprises/meters/{meter_id}/exchanges"): rights(enterprise=404),
    ("POST", "/v1/enterprises/meters/{meter_id}/exchanges"): rights(enterprise=400),
    ("GET", "/v1/enterprises/emissions"): rights(enterprise=422),
    ("GET", "/v1/enterprises/reports/{month}"): rights(enterprise=422),
    ("GET", "/v1/enterprises/reports/{month}/statements"): rights(enterprise=422),
    ("POST", "/v1/enterprises/reports/{month}/statements"): rights(enterprise=422),
    ("GET", "/v1/enterprises/fuels"): rights(enterprise=200),
    ("POST", "/v1/enterprises/fuels"): rights(enterprise=400),
    ("GET", "/v1/enterprises/green-certificates"): rights(enterprise=200),
    ("POST", "/v1/enterprises/green-certificates"): rights(enterprise=400),
    ("POST", "/v1/enterprises/green-certificates/{certificate_id}/withdrawal"): rights(enterprise=404),
    ("GET", "/v1/enterprises/process-emissions"): rights(enterprise=200),
    ("POST", "/v1/enterprises/process-emissions"): rights(enterprise=400),
    ("POST", "/v1/enterprises/process-emissions/{process_id}/replacement"): rights(enterprise=400),
    ("GET", "/v1/enterprises/energy-quotas"): rights(enterprise=200),
    ("POST", "/v1/enterprises/energy-quotas"): rights(enterprise=400),
    ("GET", "/v1/enterprises/energy-budgets"): rights(enterprise=200),
    ("GET", "/v1/enterprises/energy-budgets/warnings"): rights(enterprise=200),
    ("GET", "/v1/operator/emission-factors"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/emission-factors"): rights(operator=400, foreign_operator=400),
    ("POST", "/v1/operator/emission-factors/{factor_id}/approval"): rights(
        operator=404, foreign_operator=404
    ),
    ("GET", "/v1/operator/enterprises"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/enterprises"): rights(operator=400, foreign_operator=400),
    ("GET", "/v1/operator/enterprises/{enterprise_id}"): rights(operator=404, foreign_operator=404),
    ("PUT", "/v1/operator/enterprises/{enterprise_id}"): rights(operator=422, foreign_operator=422),
    ("GET", "/v1/market/account"): rights(participant=200),
    ("GET", "/v1/market/account/holdings"): rights(participant=200),
    ("GET", "/v1/market/account/statement"): rights(participant=200),
    ("GET", "/v1/me/units"): rights(resident=200, other_resident=200),
    ("GET", "/v1/market/transfers"): rights(participant=200),
    ("POST", "/v1/market/transfers"): rights(participant=400),
    ("GET", "/v1/market/transfers/{transfer_id}"): rights(participant=404),
    ("POST", "/v1/market/transfers/{transfer_id}/approval"): rights(participant=404),
    ("POST", "/v1/market/transfers/{transfer_id}/acceptance"): rights(participant=404),
    ("POST", "/v1/market/transfers/{transfer_id}/rejection"): rights(participant=404),
    ("POST", "/v1/market/transfers/{transfer_id}/withdrawal"): rights(participant=404),
    ("GET", "/v1/market/pledges"): rights(participant=200),
    ("POST", "/v1/market/pledges"): rights(participant=400),
    ("GET", "/v1/market/pledges/{pledge_id}"): rights(participant=404),
    ("GET", "/v1/bank/pledges"): rights(bank=200),
    ("POST", "/v1/bank/pledges/{pledge_id}/release"): rights(bank=404),
    ("GET", "/v1/operator/registry-accounts"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/registry-accounts/{account_id}"): rights(operator=404, foreign_operator=404),
    ("PUT", "/v1/operator/registry-accounts/{account_id}/limits"): rights(operator=422, foreign_operator=422),
    ("POST", "/v1/operator/registry-accounts/{account_id}/freeze"): rights(
        operator=400, foreign_operator=400
    ),
    ("POST", "/v1/operator/registry-accounts/{account_id}/unfreezing"): rights(
        operator=400, foreign_operator=400
    ),
    ("GET", "/v1/offset-rules"): ANYBODY,
    ("GET", "/v1/offset-rules/{market}"): dict.fromkeys(AUDIENCES, 422),
    ("GET", "/v1/offset-recognition"): ANYBODY,
    ("GET", "/v1/operator/offset-rules"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/offset-rules"): rights(operator=400, foreign_operator=400),
    ("GET", "/v1/operator/offset-rules/{offset_rules_id}"): rights(operator=404, foreign_operator=404),
    ("PUT", "/v1/operator/offset-rules/{offset_rules_id}"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/offset-rules/{offset_rules_id}/approval"): rights(
        operator=404, foreign_operator=404
    ),
    ("GET", "/v1/operator/offset-obligations"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/offset-obligations"): rights(operator=400, foreign_operator=400),
    ("GET", "/v1/operator/offset-obligations/{obligation_id}"): rights(operator=404, foreign_operator=404),
    ("PUT", "/v1/operator/offset-obligations/{obligation_id}"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/offset-obligations/{obligation_id}/filings"): rights(
        operator=404, foreign_operator=404
    ),
    ("GET", "/v1/operator/offset-filings"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/offset-filings/{filing_id}"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/offset-filings/{filing_id}/acceptance"): rights(
        operator=404, foreign_operator=404
    ),
    ("POST", "/v1/operator/offset-filings/{filing_id}/rejection"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/market/offset-obligations"): rights(participant=200),
    ("GET", "/v1/market/offset-obligations/{obligation_id}"): rights(participant=404),
    ("POST", "/v1/market/offset-obligations/{obligation_id}/check"): rights(participant=404),
    ("POST", "/v1/market/offset-obligations/{obligation_id}/filings"): rights(participant=404),
    ("GET", "/v1/market/offset-filings"): rights(participant=200),
    ("GET", "/v1/market/offset-filings/{filing_id}"): rights(participant=404),
    ("POST", "/v1/market/offset-filings/{filing_id}/withdrawal"): rights(participant=404),
    ("GET", "/v1/public/event-pools"): ANYBODY,
    ("POST", "/v1/operator/event-pools"): rights(operator=400, foreign_operator=400),
    ("POST", "/v1/operator/event-pools/{pool_id}/closure"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/operator/event-coverage"): rights(operator=422, foreign_operator=422),
    ("GET", "/v1/enterprises/event-coverage"): rights(enterprise=422),
    ("GET", "/v1/enterprises/events"): rights(enterprise=200),
    ("POST", "/v1/enterprises/events"): rights(enterprise=400),
    ("GET", "/v1/enterprises/events/{event_id}"): rights(enterprise=404),
    ("GET", "/v1/enterprises/events/{event_id}/shares"): rights(enterprise=404),
    ("POST", "/v1/enterprises/events/{event_id}/orders"): rights(enterprise=400),
    ("GET", "/v1/enterprises/event-orders/{order_id}"): rights(enterprise=404),
    ("POST", "/v1/enterprises/event-orders/{order_id}/cancellation"): rights(enterprise=404),
    ("POST", "/v1/enterprises/event-orders/{order_id}/payment"): rights(enterprise=404),
    ("GET", "/v1/enterprises/event-shares"): rights(enterprise=200),
    ("POST", "/v1/enterprises/event-shares"): rights(enterprise=400),
    ("POST", "/v1/enterprises/event-shares/{share_id}/orders"): rights(enterprise=400),
    ("GET", "/v1/me/events"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/events"): rights(),
    ("GET", "/v1/me/events/{event_id}"): rights(resident=404, other_resident=404),
    ("GET", "/v1/me/events/{event_id}/shares"): rights(resident=404, other_resident=404),
    ("POST", "/v1/me/events/{event_id}/orders"): rights(),
    ("GET", "/v1/me/event-orders/{order_id}"): rights(resident=404, other_resident=404),
    ("POST", "/v1/me/event-orders/{order_id}/cancellation"): rights(),
    ("POST", "/v1/me/event-orders/{order_id}/payment"): rights(),
    ("GET", "/v1/me/event-shares"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/event-shares"): rights(),
    ("POST", "/v1/me/event-shares/{share_id}/orders"): rights(),
    ("GET", "/v1/operator/exchanges"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/exchange-instructions"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/exchange-instructions"): rights(operator=400, foreign_operator=400),
    ("GET", "/v1/operator/exchange-instructions/{instruction_id}"): rights(
        operator=404, foreign_operator=404
    ),
    ("POST", "/v1/operator/exchange-instructions/{instruction_id}/approval"): rights(
        operator=404, foreign_operator=404
    ),
    ("POST", "/v1/operator/exchange-instructions/{instruction_id}/withdrawal"): rights(
        operator=404, foreign_operator=404
    ),
    ("GET", "/v1/operator/exchange-differences"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/cad-trust-units"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/auctions"): ANYBODY,
    ("GET", "/v1/auctions/{auction_id}"): dict.fromkeys(AUDIENCES, 404),
    ("GET", "/v1/reference-prices/{market}"): dict.fromkeys(AUDIENCES, 422),
    ("GET", "/v1/reference-prices/{market}/chart.svg"): dict.fromkeys(AUDIENCES, 422),
    **{
        ("GET", f"/v1/market/{noun}"): rights(participant=200)
        for noun in (
            *("listings", "auctions", "bids", "trades", "money", "money/entries", "fundings", "withdrawals"),
        )
    },
    ("GET", "/v1/market/listings/{listing_id}"): rights(participant=404),
    ("GET", "/v1/market/trades/{trade_id}"): rights(participant=404),
    ("POST", "/v1/market/listings"): rights(participant=400),
    ("POST", "/v1/market/listings/{listing_id}/purchases"): rights(participant=400),
    ("POST", "/v1/market/listings/{listing_id}/withdrawal"): rights(participant=404),
    ("POST", "/v1/market/auctions"): rights(participant=400),
    ("POST", "/v1/market/auctions/{auction_id}/bids"): rights(participant=400),
    ("POST", "/v1/market/auctions/{auction_id}/withdrawal"): rights(participant=404),
    ("POST", "/v1/market/trades/{trade_id}/payment"): rights(participant=404),
    # No provider of payments is set up here.
    ("POST", "/v1/market/fundings"): rights(participant=404),
    ("POST", "/v1/market/fundings/{funding_id}/payment"): rights(participant=404),
    ("POST", "/v1/market/withdrawals"): rights(participant=400),
    **{
        ("GET", f"/v1/operator/market/{noun}"): rights(operator=200, foreign_operator=200)
        for noun in ("auctions", "fundings", "withdrawals")
    },
    ("POST", "/v1/operator/market/fundings"): rights(operator=400, foreign_operator=400),
    **{
        ("POST", f"/v1/operator/market/{step}"): rights(operator=404, foreign_operator=404)
        for step in (
            "auctions/{auction_id}/announcement",
            "fundings/{funding_id}/approval",
            "fundings/{funding_id}/rejection",
            "withdrawals/{withdrawal_id}/rejection",
        )
    },
    ("POST", "/v1/operator/market/auctions/{auction_id}/rejection"): rights(
        operator=422, foreign_operator=422
    ),
    ("POST", "/v1/operator/market/withdrawals/{withdrawal_id}/payout"): rights(
        operator=400, foreign_operator=400
    ),
    ("POST", "/v1/market/retirements"): rights(participant=422),
    ("POST", "/v1/operator/unit-cancellations"): rights(operator=400, foreign_operator=400),
    ("GET", "/v1/operator/audit"): rights(operator=200, foreign_operator=200),
    # No provider is set up here, and what an operator issues to a resident only reads.
    ("POST", "/v1/me/phone-codes"): dict.fromkeys(AUDIENCES, 422),
    ("POST", "/v1/me/sessions"): dict.fromkeys(AUDIENCES, 422),
    ("POST", "/v1/me/sessions/refresh"): dict.fromkeys(AUDIENCES, 401),
    ("GET", "/v1/me/sessions"): rights(resident=200, other_resident=200),
    ("DELETE", "/v1/me/sessions"): rights(),
    ("DELETE", "/v1/me/sessions/current"): rights(),
    ("DELETE", "/v1/me/sessions/{session_id}"): rights(),
    ("GET", "/v1/me/sign-ins"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/sign-ins"): rights(),
    ("GET", "/v1/me/children"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/children"): rights(),
    ("POST", "/v1/me/children/{holder_id}/token"): rights(),
    ("POST", "/v1/operator/holders/{holder_id}/real-name"): rights(operator=422, foreign_operator=404),
    ("GET", "/v1/webhooks"): rights(platform=200, other_platform=200, merchant=200, bank=200, enterprise=200),
    ("POST", "/v1/webhooks"): rights(
        platform=422, other_platform=422, merchant=422, bank=422, enterprise=422
    ),
    ("GET", "/v1/webhooks/{webhook_id}"): WEBHOOK,
    ("PUT", "/v1/webhooks/{webhook_id}"): WEBHOOK | {"platform": 412},
    ("POST", "/v1/webhooks/{webhook_id}/secret"): WEBHOOK,
    ("POST", "/v1/webhooks/{webhook_id}/test"): WEBHOOK,
    ("GET", "/v1/webhooks/{webhook_id}/deliveries"): WEBHOOK,
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{event_id}/replay"): WEBHOOK,
    ("POST", "/v1/webhooks/{webhook_id}/replay"): WEBHOOK,
    # Anybody may call, and nobody is heard without WeChat's signature: here no payments are taken at all.
    ("POST", "/v1/payments/wechat_pay/notification"): dict.fromkeys(AUDIENCES, 404),
    ("GET", "/v1/operator/payments"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/payments/differences"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/me/redemptions/{redemption_id}/payment"): rights(),
    ("GET", "/v1/me/offers"): rights(resident=200, other_resident=200),
    ("GET", "/v1/me/offers/{offer_id}"): rights(resident=404, other_resident=404),
    ("GET", "/v1/me/redemptions"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/redemptions"): rights(),
    ("GET", "/v1/me/redemptions/{redemption_id}"): rights(resident=404, other_resident=404),
    ("GET", "/v1/me/redemptions/{redemption_id}/code"): rights(resident=404, other_resident=404),
    ("POST", "/v1/me/redemptions/{redemption_id}/confirmation"): rights(),
    ("POST", "/v1/me/redemptions/{redemption_id}/cancellation"): rights(),
    ("POST", "/v1/me/redemptions/{redemption_id}/binding"): rights(),
    ("GET", "/v1/merchant/shops"): rights(merchant=200),
    ("POST", "/v1/merchant/shops"): rights(merchant=200),
    ("GET", "/v1/merchant/shops/{shop_id}/tills"): rights(merchant=404),
    ("POST", "/v1/merchant/shops/{shop_id}/tills"): rights(merchant=404),
    ("POST", "/v1/merchant/shops/{shop_id}/closure"): rights(merchant=404),
    ("POST", "/v1/merchant/tills/{till_id}/closure"): rights(merchant=404),
    ("GET", "/v1/merchant/offers"): rights(merchant=200),
    ("POST", "/v1/merchant/offers"): rights(merchant=200),
    ("GET", "/v1/merchant/offers/{offer_id}"): rights(merchant=200),
    ("PUT", "/v1/merchant/offers/{offer_id}"): rights(merchant=422),
    ("POST", "/v1/merchant/offers/{offer_id}/submission"): rights(merchant=412),
    ("POST", "/v1/merchant/offers/{offer_id}/pause"): rights(merchant=412),
    ("POST", "/v1/merchant/offers/{offer_id}/resumption"): rights(merchant=412),
    ("POST", "/v1/merchant/offers/{offer_id}/end"): rights(merchant=412),
    ("POST", "/v1/merchant/offers/{offer_id}/stock"): rights(merchant=409),
    ("POST", "/v1/merchant/offers/{offer_id}/codes"): rights(merchant=409),
    ("GET", "/v1/merchant/redemptions"): rights(merchant=200),
    ("GET", "/v1/merchant/redemptions/{redemption_id}"): rights(merchant=404),
    ("POST", "/v1/merchant/redemptions/verification"): rights(merchant=404),
    ("POST", "/v1/merchant/redemptions/offline"): rights(merchant=404),
    ("POST", "/v1/merchant/redemptions/{redemption_id}/refund"): rights(merchant=404),
    ("GET", "/v1/operator/offers"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/offers/{offer_id}"): rights(operator=200, foreign_operator=404),
    ("POST", "/v1/operator/offers/{offer_id}/approval"): rights(operator=412, foreign_operator=404),
    ("POST", "/v1/operator/offers/{offer_id}/rejection"): rights(operator=412, foreign_operator=404),
    ("POST", "/v1/operator/offers/{offer_id}/suspension"): rights(operator=412, foreign_operator=404),
    ("POST", "/v1/operator/offers/{offer_id}/resumption"): rights(operator=412, foreign_operator=404),
    ("POST", "/v1/operator/redemptions/{redemption_id}/refund"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/merchant/settlements"): rights(merchant=200),
    ("GET", "/v1/merchant/settlements/{settlement_id}"): rights(merchant=404),
    ("GET", "/v1/merchant/settlements/{settlement_id}/lines"): rights(merchant=404),
    ("GET", "/v1/merchant/settlements/{settlement_id}/statement.csv"): rights(merchant=404),
    ("GET", "/v1/merchant/settlements/{settlement_id}/statement.pdf"): rights(merchant=404),
    ("POST", "/v1/merchant/settlements/{settlement_id}/agreement"): rights(merchant=404),
    ("POST", "/v1/merchant/settlements/{settlement_id}/dispute"): rights(merchant=404),
    ("GET", "/v1/operator/issuances"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/issuances"): rights(operator=422, foreign_operator=404),
    ("GET", "/v1/operator/issuances/{issuance_id}"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/issuances/{issuance_id}/preview"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/issuances/{issuance_id}/exclusions"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/issuances/{issuance_id}/inclusions"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/issuances/{issuance_id}/close"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/issuances/{issuance_id}/reopening"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/issuances/{issuance_id}/withdrawal"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/issuances/{issuance_id}/notice"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/issuances/{issuance_id}/objections"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/issuances/{issuance_id}/objections/{objection_id}/answer"): rights(
        operator=404, foreign_operator=404
    ),
    ("POST", "/v1/operator/issuances/{issuance_id}/approval"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/operator/issuances/{issuance_id}/exclusions"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/operator/issuances/{issuance_id}/objections"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/me/entries/{entry_id}/proof"): rights(resident=404, other_resident=404),
    ("GET", "/v1/issuances"): ANYBODY,
    ("GET", "/v1/issuances/{issuance_id}"): dict.fromkeys(AUDIENCES, 404),
    ("GET", "/v1/verifier/issuances"): rights(verifier=200),
    ("GET", "/v1/verifier/issuances/{issuance_id}"): rights(verifier=404),
    ("GET", "/v1/verifier/issuances/{issuance_id}/evidence/{name}"): rights(verifier=404),
    ("POST", "/v1/verifier/issuances/{issuance_id}/statement"): rights(verifier=404),
    ("GET", "/v1/operator/settlements"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/settlements/preview"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/settlements"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/operator/settlements/{settlement_id}"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/operator/settlements/{settlement_id}/lines"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/operator/settlements/{settlement_id}/statement.csv"): rights(
        operator=404, foreign_operator=404
    ),
    ("GET", "/v1/operator/settlements/{settlement_id}/statement.pdf"): rights(
        operator=404, foreign_operator=404
    ),
    ("POST", "/v1/operator/settlements/{settlement_id}/resolution"): rights(
        operator=404, foreign_operator=404
    ),
    ("POST", "/v1/operator/settlements/{settlement_id}/payment"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/settlements/{settlement_id}/payment/approval"): rights(
        operator=404, foreign_operator=404
    ),
    ("POST", "/v1/operator/settlements/{settlement_id}/payment/rejection"): rights(
        operator=404, foreign_operator=404
    ),
    ("GET", "/v1/me/account"): rights(resident=200, other_resident=200),
    ("GET", "/v1/me/entries"): rights(resident=200, other_resident=200),
    ("GET", "/v1/consent-texts"): ANYBODY,
    ("GET", "/v1/consent-texts/keys"): ANYBODY,
    ("GET", "/v1/me/consents"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/consents"): rights(),
    ("POST", "/v1/me/consents/withdrawal"): rights(),
    ("GET", "/v1/me/receipts"): rights(resident=200, other_resident=200),
    ("GET", "/v1/me/receipts/{receipt_id}"): rights(resident=404, other_resident=404),
    ("GET", "/v1/mandate-terms"): ANYBODY,
    ("POST", "/v1/mandate-terms"): rights(platform=200, other_platform=200),
    ("GET", "/v1/mandate-terms/totals"): rights(platform=200, other_platform=200),
    ("GET", "/v1/me/mandates"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/mandates"): rights(),
    ("POST", "/v1/me/mandates/{mandate_id}/withdrawal"): rights(),
    ("GET", "/v1/me/bank-grants"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/bank-grants"): rights(),
    ("POST", "/v1/me/bank-grants/{grant_id}/withdrawal"): rights(),
    ("GET", "/v1/bank/grants"): rights(bank=200),
    ("GET", "/v1/enterprises/bank-grants"): rights(enterprise=200),
    ("POST", "/v1/enterprises/bank-grants"): rights(enterprise=422),
    ("POST", "/v1/enterprises/bank-grants/{grant_id}/withdrawal"): rights(enterprise=404),
    ("GET", "/v1/enterprises/access-log"): rights(enterprise=200),
    # Nobody is named by a reference of ones, and nobody is on the list.
    ("POST", "/v1/bank/tiers/query"): rights(bank=403),
    ("POST", "/v1/bank/scores/query"): rights(bank=403),
    ("POST", "/v1/bank/labels/query"): rights(bank=403),
    ("POST", "/v1/bank/pre-screenings"): rights(bank=200),
    ("GET", "/v1/bank/white-list.csv"): rights(bank=200),
    ("GET", "/v1/bank/score-export.csv"): rights(bank=403),
    ("GET", "/v1/bank/monitors"): rights(bank=200),
    ("POST", "/v1/bank/monitors"): rights(bank=403),
    ("DELETE", "/v1/bank/monitors/{reference}"): rights(bank=404),
    ("GET", "/v1/bank/score-reviews"): rights(bank=200),
    ("GET", "/v1/me/score-reviews"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/score-reviews"): rights(),
    ("GET", "/v1/operator/score-reviews"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/score-reviews/{review_id}/answer"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/operator/score-channels"): rights(operator=200, foreign_operator=200),
    # A bank of the nation is no operator's of a province.
    ("POST", "/v1/operator/score-channels"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/score-channels/{channel_id}/approval"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/score-channels/{channel_id}/end"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/me/bindings"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/bindings"): rights(),
    ("POST", "/v1/me/bindings/{binding_id}/end"): rights(),
    ("POST", "/v1/bindings"): rights(platform=404, other_platform=404),
    ("GET", "/v1/me/exports"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/exports"): rights(),
    ("GET", "/v1/me/exports/{export_id}"): rights(resident=404, other_resident=404),
    ("GET", "/v1/me/exports/{export_id}/file"): dict.fromkeys(AUDIENCES, 404),
    ("GET", "/v1/me/erasure"): rights(resident=404, other_resident=404),
    ("POST", "/v1/me/erasure"): rights(),
    ("POST", "/v1/me/erasure/cancellation"): rights(),
    ("GET", "/v1/me/access-log"): rights(resident=200, other_resident=200),
    ("GET", "/v1/me/corrections"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/corrections"): rights(),
    ("GET", "/v1/operator/corrections"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/corrections/{correction_id}/decision"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/me/activities/{activity_id}/dispute"): rights(),
    ("POST", "/v1/activities/{activity_id}/dispute"): rights(platform=409, other_platform=404),
    ("GET", "/v1/me/disputes"): rights(resident=200, other_resident=200),
    ("GET", "/v1/disputes"): rights(platform=200, other_platform=200),
    ("POST", "/v1/me/disputes/{dispute_id}/withdrawal"): rights(),
    ("POST", "/v1/disputes/{dispute_id}/withdrawal"): rights(platform=404, other_platform=404),
    # Nothing of this activity was held.
    ("GET", "/v1/operator/clocks"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/reviews"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/reviews/{activity_id}"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/reviews/{activity_id}/decision"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/operator/review-policies"): rights(operator=200, foreign_operator=200),
    ("POST", "/v1/operator/review-policies"): rights(operator=200, foreign_operator=403),
    ("GET", "/v1/operator/review-policies/{policy_id}"): rights(operator=200, foreign_operator=404),
    ("PUT", "/v1/operator/review-policies/{policy_id}"): rights(operator=412, foreign_operator=404),
    ("POST", "/v1/operator/review-policies/{policy_id}/approval"): rights(operator=412, foreign_operator=404),
    ("GET", "/v1/operator/disputes"): rights(operator=200, foreign_operator=200),
    ("GET", "/v1/operator/disputes/{dispute_id}"): rights(operator=404, foreign_operator=404),
    ("POST", "/v1/operator/disputes/{dispute_id}/decision"): rights(operator=404, foreign_operator=404),
    ("GET", "/v1/me/activities"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/activities/{activity_id}/collection"): rights(),
    ("GET", "/v1/me/badges"): rights(resident=200, other_resident=200),
    ("GET", "/v1/me/collectable"): rights(resident=200, other_resident=200),
    ("GET", "/v1/me/footprints"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/footprints"): rights(),
    ("GET", "/v1/me/footprints/items"): rights(resident=200, other_resident=200),
    ("GET", "/v1/me/offsets"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/offsets"): rights(),
    ("GET", "/v1/me/rank"): rights(resident=200, other_resident=200),
    ("PUT", "/v1/me/rank"): rights(),
    ("GET", "/v1/me/summary"): rights(resident=200, other_resident=200),
    ("GET", "/v1/me/teams"): rights(resident=200, other_resident=200),
    ("POST", "/v1/me/teams"): rights(),
    ("POST", "/v1/me/teams/join"): rights(),
    ("GET", "/v1/me/teams/{team_id}"): rights(resident=404, other_resident=404),
    ("GET", "/v1/me/teams/{team_id}/rank"): rights(resident=404, other_resident=404),
    ("POST", "/v1/me/teams/{team_id}/code"): rights(),
    ("POST", "/v1/me/teams/{team_id}/leave"): rights(),
    ("POST", "/v1/me/teams/{team_id}/members/{member_id}/removal"): rights(),
    ("GET", "/v1/certificates/{certificate_id}"): dict.fromkeys(AUDIENCES, 404),
}


def flat(routes: Any) -> list[Any]:
    """All routes, also those of routers that are kept as they were included."""
    found = []
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            found.extend(flat(inner.routes))
        else:
            found.append(route)
    return found


def routes_of_the_app() -> set[tuple[str, str]]:
    """Every route that answers, whether it is in the document or not."""
    app = create_app()
    documented = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if method in ("get", "post", "put", "patch", "delete")
    }
    walked = {
        (method, route.path)
        for route in flat(app.routes)
        if isinstance(route, Route | APIRoute)
        for method in (route.methods or ()) - {"HEAD", "OPTIONS"}
    }
    return documented | walked


def test_every_route_has_its_rights_here() -> None:
    assert routes_of_the_app() == set(ROUTES)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cast(stage: Stage) -> dict[str, Caller]:
    city = stage.city
    stranger = await city.holder(stage.operator, "13786410000")
    return {
        "platform": stage.source,
        "other_platform": stage.other,
        "operator": stage.operator,
        "foreign_operator": await city.client("operator", "310000"),
        "bank": await city.client("bank"),
        "merchant": await city.client("merchant"),
        "neighbour": await city.client("neighbour"),
        "enterprise": (await made_plant(city, meters=())).client,
        "participant": await city.client("participant"),
        "verifier": await city.client("verifier"),
        "resident": stage.resident,
        "other_resident": await city.resident(stage.operator, stranger),
        "nobody": Caller(city.http, "", "", "", ""),
        "garbage": Caller(city.http, "e30.e30.AA", "", "", ""),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def credited(stage: Stage) -> str:
    answer = await stage.source.post("/v1/activities", json=metro("rights", stage.phone))
    assert answer.json()["outcome"] == "credited", answer.text
    return str(answer.json()["activity_id"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reversed_(stage: Stage) -> str:
    """An activity that is reversed already, so that reversing it again changes nothing."""
    report = metro(
        "undone",
        stage.phone,
        started_at="2026-11-14T08:00:00+08:00",
        ended_at="2026-11-14T08:20:00+08:00",
    )
    activity = (await stage.source.post("/v1/activities", json=report)).json()["activity_id"]
    answer = await stage.source.post(f"/v1/activities/{activity}/reversal", json={"reason": "x"})
    assert answer.status_code == 200, answer.text
    return str(activity)


DRAFT = {"region": "440300", "scene": "trip.metro", "code": "RIGHTS", "version": "1"}
EXCLUSION = {
    "region": "440300",
    "scene": "green.own_bag",
    "first_day": "2030-01-01",
    "legal_basis": "x",
    "reason": "x",
}
ADOPTION = EXCLUSION | {"region": "440500", "scene": "trip.e_bike"}
PACK_RETIREMENT = {
    "region": "440300",
    "code": "SZ-LOW-CARBON-TRANSIT.metro",
    "version": "2021",
    "last_day": "2022-01-01",
    "reason": "x",
}
ETAG = {"If-Match": "99"}
PAPER = {"title": "x", "reference": "x", "sha256": "ab" * 32}
IDS = {
    "project": "prj_",
    "stock": "pst_",
    "offer": "ofr_",
    "redemption": "red_",
    "shop": "shp_",
    "till": "til_",
    "settlement": "stl_",
    "dispute": "dsp_",
    "neighbour": "nbr_",
    "product": "bpr_",
    "listing": "lst_",
    "auction": "auc_",
    "trade": "trd_",
    "funding": "mfu_",
    "withdrawal": "mwd_",
    "loan": "gln_",
    "quote": "quo_",
    "report": "crr_",
    "grant": "bgr_",
    "enterprise": "hld_",
    "invitation": "inv_",
    "client": "cli_",
    "site": "sit_",
    "line": "lin_",
    "meter": "mtr_",
    "alert": "alt_",
    "plan": "lsp_",
    "rules": "ppt_",
    "review": "srv_",
    "channel": "sch_",
    "record": "cnd_",
    "certificate": "gec_",
    "process": "prc_",
    "factor": "efa_",
    "run": "lbr_",
    "pool": "evp_",
    "order": "nvo_",
    "share": "shr_",
    "issuance": "iss_",
    "entry": "ent_",
    "objection": "obj_",
}
NOBODY = {"customer": {"reference": "cus_" + "1" * 32}}
CHANNEL = {"bank_id": "org_" + "1" * 32, "name": "x", "basis": "x"}
ISSUANCE = {
    "applicant_id": "org_" + "1" * 32,
    "methodology_region": "440300",
    "methodology_code": "none",
    "methodology_version": "1",
    "region": "440300",
    "vintage": 2026,
    "booked_until": "2026-10-01T00:00:00Z",
}
ISSUANCE_STEPS = {
    f"{kind}_{'1' * 32}/{name}": {"json": body, "headers": ETAG}
    for kind, name, body in (
        ("iss", "exclusions", {"activity_ids": ["act_" + "1" * 32], "reason": "evidence", "note": "x"}),
        ("iss", "inclusions", {"activity_id": "act_" + "1" * 32, "note": "x"}),
        ("iss", "objections", {"objector": "x", "text": "x", "received_at": "2026-10-01T00:00:00Z"}),
        ("obj", "answer", {"upheld": True, "answer": "x"}),
        ("iss", "statement", {"decision": "signed", "evidence_sha256": "0" * 64, "remarks": "x"}),
        *(
            ("iss", step, {"reason": "x"})
            for step in ("preview", "close", "reopening", "withdrawal", "notice")
        ),
    )
}
SETTLED = {"merchant_id": "org_" + "1" * 32, "region": "440300", "ends_at": "2026-11-01T00:00:00Z"}
GRANT = {
    "organisation_id": "org_" + "1" * 32,
    "kind": "evaluations",
    "amount": 1,
    "starts_at": "2026-01-01T00:00:00Z",
    "ends_at": "2030-01-01T00:00:00Z",
    "reason": "x",
}
HOOK = {"url": "http://127.0.0.1:9/", "event_types": ["activity.credited"]}
SPAN = {"since": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def webhook(stage: Stage) -> str:
    answer = await stage.source.post("/v1/webhooks", json=HOOK)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["webhook_id"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(stage: Stage, webhook: str) -> str:
    await stage.source.post(f"/v1/webhooks/{webhook}/test")
    items = (await stage.source.get(f"/v1/webhooks/{webhook}/deliveries")).json()["items"]
    return str(items[0]["event_id"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def claimed(stage: Stage) -> str:
    """A claim that is released already, so that releasing it again changes nothing."""
    answer = await stage.source.post("/v1/claims/batch", json=[CLAIM_EXAMPLE])
    found = str(answer.json()["items"][0]["id"])
    answer = await stage.source.post(f"/v1/claims/{found}/release", json={"reason": "x"})
    assert answer.status_code == 200, answer.text
    return found


TERMS = {"version": "1", "holder_percent": 50, "text_zh": "x", "text_en": "x"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def drafted(stage: Stage) -> str:
    answer = await stage.operator.post("/v1/operator/methodologies", json=DRAFT)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def excluded(stage: Stage) -> str:
    answer = await stage.operator.post("/v1/operator/methodologies/exclusions", json=EXCLUSION)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


PROGRAMME = {
    "region": "440300",
    "name": {"zh": "x", "en": "x"},
    "from": "2030-01-01",
    "points_per_g": 1,
    "expiry_months": 12,
}
CAMPAIGN = {
    "region": "440300",
    "name": {"zh": "x", "en": "x"},
    "from": "2030-01-01T00:00:00+08:00",
    "until": "2030-02-01T00:00:00+08:00",
    "points": 1,
    "budget": 1,
}
SCORE_CARDS = {"region": "440300", "from": "2030-01-01", "cards": [{"card": "resident", "version": "1"}]}
CONDUCT = {
    "holder_id": "hld_" + "1" * 32,
    "kind": "refuted_act",
    "happened_on": "2026-01-01",
    "reason": "x",
}
NEIGHBOURS = {"region": "440300", "from": "2030-01-01"}
POLICY = {"region": "440300", "from": "2030-01-01", "cap_burst": {"minutes": 1, "certain_at": 1}}
OFFER = {
    "region": "440300",
    "kind": "cash_off",
    "title": {"zh": "咖啡", "en": "Coffee"},
    "price_points": 1,
    "valid_from": "2026-01-01T00:00:00Z",
    "valid_until": "2030-01-01T00:00:00Z",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def texts(stage: Stage) -> dict[str, str]:
    """A drafted programme, campaign and review policy, by the names of their places in a path."""
    found = {}
    for noun, door, text in (
        ("programme", "programmes", PROGRAMME),
        ("campaign", "campaigns", CAMPAIGN),
        ("policy", "review-policies", POLICY),
        ("agreement", "neighbour-agreements", NEIGHBOURS),
        ("set", "score-cards", SCORE_CARDS),
    ):
        answer = await stage.operator.post(f"/v1/operator/{door}", json=text)
        assert answer.status_code == 200, answer.text
        found[f"{{{noun}_id}}"] = str(answer.json()["id"])
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def offered(cast: dict[str, Caller]) -> str:
    answer = await cast["merchant"].post("/v1/merchant/offers", json=OFFER)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["offer_id"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def adopted(stage: Stage) -> str:
    answer = await stage.operator.post("/v1/operator/methodologies/adoptions", json=ADOPTION)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def recalculated(stage: Stage, drafted: str, database_urls: tuple[str, str]) -> str:
    """A recalculation that is over, so that no step follows."""
    connection = await asyncpg.connect(database_urls[1])
    try:
        found = await connection.fetchval(
            """
            INSERT INTO recalculations (id, region, scene, revision_id, content_hash, first_day, state, requested_by,
                reason, created_at, replaces, preview, approval_reason, totals, changed_in_pass, ended_at)
            SELECT gen_random_uuid(), '440300', 'trip.metro', id, '', '2026-01-01', 'cancelled', 'x', 'x', now(), '[]',
                $2, '', $2, 0, now()
            FROM methodology_revisions WHERE 'mrv_' || replace(id::text, '-', '') = $1
            RETURNING 'mrc_' || replace(id::text, '-', '')
            """,
            drafted,
            Figures().model_dump_json(),
        )
    finally:
        await connection.close()
    return str(found)


async def call(who: Caller, method: str, path: str, revision_id: str = "") -> httpx.Response:
    step = {"json": {"reason": "x"}, "headers": ETAG}
    bodies: dict[str, dict[str, Any]] = {
        "/reports/verification": {"json": {"jws": "x"}},
        "/public/event-footprints": {"json": FOOTPRINT},
        "/submission": step,
        "/approval": step,
        "/activation": {"json": {"reason": "x", "activates_at": "2030-01-01T00:00:00Z"}, "headers": ETAG},
        "/retirement": step,
        "/check": {"json": {"methodology": {}}},
        "/timeline": {"params": {"region": "440300", "scene": "trip.metro"}},
        **(ISSUANCE_STEPS if method == "POST" else {}),
        "/operator/issuances": {"json": ISSUANCE} if method == "POST" else {},
        "/exclusions": {"json": EXCLUSION | {"first_day": "2020-01-01"}} if method == "POST" else {},
        "/adoptions": {"json": ADOPTION | {"first_day": "2020-01-01"}} if method == "POST" else {},
        "sch_" + "1" * 32 + "/end": step,
        "/end": {"json": {"last_day": "2020-01-01", "reason": "x"}, "headers": ETAG},
        "/retirements": {"json": PACK_RETIREMENT},
        "/operator/methodologies": {"json": DRAFT} if method == "POST" else {},
        "/operator/recalculations": {"json": {"revision_id": revision_id, "reason": "x"}}
        if method == "POST"
        else {},
        "/cancellation": {"json": {"reason": "x"}},
        "/rejection": step,
        "/settlements/preview": {"params": SETTLED},
        "/operator/settlements": {"json": SETTLED} if method == "POST" else {},
        "/agreement": {"json": {}, "headers": ETAG},
        "/dispute": {"json": {"explanation": "x"}} if "/activities/" in path else step,
        "/resolution": step,
        "/suspension": step,
        "/pause": step,
        "/resumption": step,
        "/stock": {"json": {"add": 1}},
        "/codes": {"content": "A-1\n", "headers": {"Content-Type": "text/csv"}},
        "/refund": {"json": {"reason": "x"}},
        "/conduct-records": {"json": CONDUCT} if method == "POST" else {},
        "/claims/batch": {"json": []},
        "/neighbour/claims": {"params": {"from_day": "2026-11-01", "to_day": "2026-11-30"}},
        "/neighbour/claims/query": {"json": {"digests": [["2026-11-16", "A" * 22]]}},
        "/claims/query": {"json": [ACT_EXAMPLE]},
        "/release": {"json": {"reason": "x"}},
        "/evaluate": {"json": {"elements": [ELEMENT_EXAMPLE]}},
        "/quota-grants": {"json": GRANT} if method == "POST" else {},
        "/tills": {"json": {"name": "x"}} if method == "POST" else {},
        "/shops": {"json": {"name": "x"}} if method == "POST" else {},
        "/merchant/offers": {"json": OFFER} if method == "POST" else {},
        "/operator/projects": {"json": {}},
        "/stocks": {"json": {"vintage": 2026, "expected_kg": 1}},
        "/project-stocks/pst_" + "1" * 32 + "/verification": {"json": {"quantity_kg": 1, "document": PAPER}},
        "/public/certificates/verification": {"json": {"sha256": "ab" * 32}},
        "/verification": {"json": {"code": "x"}},
        "/offline": {"json": {"till_id": "til_" + "1" * 32, "items": []}},
        "/reversal": {"json": {"reason": "x"}},
        "/holders/batch": {"json": {"holders": []}},
        "/activities/batch": {"json": []},
        "/v1/webhooks": {"json": HOOK | {"url": "https://10.0.0.1/"}} if method == "POST" else {},
        "/secret": {"json": {}},
        "/deliveries": {},
        "/replay": {"json": SPAN} if "/deliveries/" not in path else {},
        "/payment": {"json": {"payer_openid": "oX"}},
        "/v1/activities": {"json": metro("nobody", "13700000009")} if method == "POST" else {},
        "/consents/withdrawal": {"json": {"scene_group": "never"}},
        "/withdrawal": step,
        "/phone-codes": {"json": {"phone": "13900000001"}},
        "/me/sessions": {"json": {"method": "wechat", "code": "x"}},
        "/sessions/refresh": {"json": {"refresh_token": "rft_x"}},
        "/real-name": {"json": {"id_no": "x", "reason": "x"}},
        "/mandate-terms": {"json": TERMS} if method == "POST" else {},
        "/v1/bindings": {"json": {"link_token": "x", "user_id": "u"}},
        "/decision": {"json": {"accepted": True, "reason": "x"}},
        "/enterprises/bank-grants": {"json": {}} if method == "POST" else {},
        "/tiers/query": {"json": NOBODY | {"purpose": "loan_application", "card": "resident"}},
        "/scores/query": {"json": NOBODY | {"purpose": "loan_application", "card": "resident"}},
        "/labels/query": {"json": NOBODY | {"purpose": "loan_application"}},
        "/pre-screenings": {"json": {"customers": [NOBODY["customer"]], "card": "resident"}},
        "/white-list.csv": {"params": {"card": "resident"}},
        "/score-export.csv": {"params": {"card": "resident"}},
        "/bank/monitors": {"json": NOBODY | {"card": "resident"}} if method == "POST" else {},
        "/answer": {"json": {"decision": "upheld", "answer": "x"}},
        "/score-channels": {"json": CHANNEL} if method == "POST" else {},
        "/bank/quotes": {"json": {"reference": "x", "product_id": "x"}},
        "/bank/reports": {"json": {"reference": "x"}},
        "/bank/products": {"json": {}} if method == "POST" else {},
        "/bank/loans": {"json": {}} if method == "POST" else {},
        "/reissue": {"json": {"reason": "x"}},
        "/revocation": {"json": {"reason": "x"}},
        "/oauth/token": {
            "data": {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}
        },
    }
    if "/disputes/" in path:
        bodies["/decision"] = {"json": {"decision": "upheld", "reason": "x"}}
    if "/reviews/" in path:
        bodies["/decision"] = {"json": {"decision": "released", "reason": "x"}}
    texts = {
        "/programmes": PROGRAMME,
        "/campaigns": CAMPAIGN,
        "/review-policies": POLICY,
        "/neighbour-agreements": NEIGHBOURS,
        "/operator/score-cards": SCORE_CARDS,
    }
    text = next((each for part, each in texts.items() if part in path), None)
    if text is not None and "/end" in path:
        bodies["/end"] = {"json": {"reason": "x", "until": text["from"]}, "headers": ETAG}
    kwargs = next((body for end, body in bodies.items() if path.endswith(end)), {})
    if "/recalculations/" in path and path.endswith("/approval"):
        kwargs = bodies["/activation"]
    if "/settlements/" in path and path.endswith("/payment"):
        kwargs = {"json": {"bank_reference": "x", "paid_on": "2026-11-01"}, "headers": ETAG}
    if text is not None and method in ("PUT", "POST") and not kwargs:
        kwargs = {"json": text, "headers": ETAG}
    elif method == "PUT":
        kwargs = {"json": HOOK if "/webhooks/" in path else {"methodology": {}}, "headers": ETAG}
    if path.endswith("/disclosure"):
        kwargs = {"json": {"discloses_wins": False}}
    if not who.token:
        return await who.http.request(method, path, **kwargs)
    return await who.request(method, path, **kwargs)


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES), ids=str)
async def test_every_token_at_every_route(
    stage: Stage,
    cast: dict[str, Caller],
    credited: str,
    reversed_: str,
    drafted: str,
    excluded: str,
    recalculated: str,
    adopted: str,
    webhook: str,
    told: str,
    offered: str,
    texts: dict[str, str],
    claimed: str,
    owner: asyncpg.Connection,
    method: str,
    path: str,
) -> None:
    own = path.replace("{holder_id}", stage.holder).replace(
        "{activity_id}", reversed_ if path.endswith(("/reversal", "/dispute")) else credited
    )
    own = own.replace("{revision_id}", drafted).replace("{exclusion_id}", excluded)
    own = own.replace("{adoption_id}", adopted).replace("{name}", "grid_cn")
    own = own.replace("{recalculation_id}", recalculated)
    nowhere = path.replace("{holder_id}", "hld_" + "1" * 32).replace("{activity_id}", "act_" + "1" * 32)
    nowhere = nowhere.replace("{revision_id}", "mrv_" + "1" * 32).replace("{exclusion_id}", "mex_" + "1" * 32)
    nowhere = nowhere.replace("{recalculation_id}", "mrc_" + "1" * 32)
    nowhere = nowhere.replace("{adoption_id}", "mad_" + "1" * 32).replace("{name}", "none")
    own = own.replace("{webhook_id}", webhook).replace("{event_id}", told)
    nowhere = nowhere.replace("{webhook_id}", "whk_" + "1" * 32).replace("{event_id}", "evt_" + "1" * 32)
    own, nowhere = (text.replace("{number}", "TPH26-64S3-6D1N-6RVK-34") for text in (own, nowhere))
    own = own.replace("{offer_id}", offered).replace("{claim_id}", claimed)
    nowhere = nowhere.replace("{claim_id}", "clm_" + "1" * 32)
    own, nowhere = (text.replace("{reference}", "cus_" + "1" * 32) for text in (own, nowhere))
    for kind, head in IDS.items():
        place = "{" + kind + "_id}"
        own, nowhere = (text.replace(place, head + "1" * 32) for text in (own, nowhere))
    if path == "/v1/me/rank":
        async with stage.city.service.database.driver_transaction() as driver:
            await rebuild(driver, Ranks(stage.city.service.redis), utc_now())
    for place, known in texts.items():
        own, nowhere = own.replace(place, known), nowhere.replace(place, "ppt_" + "1" * 32)
    before = await kept(owner)
    for audience, status in ROUTES[method, path].items():
        answer = await call(cast[audience], method, own, drafted)
        assert answer.status_code == status, (audience, answer.text)
        if path == "/certificates/{number}":
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            continue
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
        if status == 404:
            # What is not yours looks like what is not there.
            other = await call(cast[audience], method, nowhere, "mrv_" + "1" * 32)
            assert other.status_code == 404
            assert answer.json() | {"instance": ""} == other.json() | {"instance": ""}
        if "{" in path and status == 200:
            assert (await call(cast[audience], method, nowhere)).status_code == 404
    assert await kept(owner) == before


@pytest.mark.parametrize(
    "odd",
    [
        "act_",
        "x",
        "act_" + "g" * 32,
        "hld_" + "1" * 32,
        "act_" + "1" * 31,
        "ACT_" + "1" * 32,
        "act_%00",
        "%F0%9F",
    ],
)
async def test_an_id_that_is_none(stage: Stage, odd: str) -> None:
    for who, path in (
        (stage.source, f"/v1/activities/{odd}"),
        (stage.resident, f"/v1/activities/{odd}/explanation"),
        (stage.operator, f"/v1/operator/holders/{odd.replace('act_', 'hld_').replace('hld_1', 'act_1')}"),
    ):
        assert (await who.get(path)).status_code == 404


async def test_a_residents_token_only_reads(
    stage: Stage, cast: dict[str, Caller], owner: asyncpg.Connection
) -> None:
    entrances = (
        "/oauth/token",
        "/v1/reports/verification",
        "/v1/public/event-footprints",
        "/v1/public/certificates/verification",
        "/v1/me/phone-codes",
        "/v1/me/sessions",
        "/v1/me/sessions/refresh",
        "/v1/payments/wechat_pay/notification",
    )
    for method, path in ROUTES:
        if method != "GET" and (method, path) not in {("POST", entrance) for entrance in entrances}:
            assert ROUTES[method, path]["resident"] == 403
    count = "SELECT count(*) FROM audit_records WHERE action = 'holder.token_issued' AND target_id = $1"
    before = await owner.fetchval(count, stage.holder)
    for _ in range(3):
        await stage.city.resident(stage.operator, stage.holder)
    foreign = await cast["foreign_operator"].post(f"/v1/operator/holders/{stage.holder}/token")
    assert foreign.status_code == 404
    assert await owner.fetchval(count, stage.holder) == before + 3
    record = await owner.fetchrow(
        "SELECT * FROM audit_records WHERE target_id = $1 ORDER BY at DESC LIMIT 1", stage.holder
    )
    assert record["actor_client_id"] == stage.operator.client_id
    assert record["actor_name"]
    # A token that is not written down is not issued: the trail and the token stand or fall together.
    assert stage.phone not in str(dict(record))


REGIONS = ("440300", "440305", "440100", "310000", "310101")
OPERATORS = ("100000", "440000", "440300", "440305", "310000", "420100")


def test_what_a_region_covers() -> None:
    seen = {operator: {region for region in REGIONS if covers(operator, region)} for operator in OPERATORS}
    assert seen == {
        "100000": set(REGIONS),
        "440000": {"440300", "440305", "440100"},
        "440300": {"440300", "440305"},
        "440305": {"440305"},
        "310000": {"310000", "310101"},
        "420100": set(),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operators(city: City) -> dict[str, Caller]:
    return {region: await city.client("operator", region) for region in OPERATORS}


async def test_an_operator_sees_its_region_only(
    city: City, stage: Stage, phones: Any, operators: dict[str, Caller]
) -> None:
    nation = operators["100000"]
    holders = {region: await city.holder(nation, phones(), stage.source, region=region) for region in REGIONS}
    for (mine, operator), (theirs, holder) in itertools.product(operators.items(), holders.items()):
        status = 200 if covers(mine, theirs) else 404
        path = f"/v1/operator/holders/{holder}"
        assert (await operator.get(path)).status_code == status, (mine, theirs)
        assert (await operator.post(path + "/token")).status_code == status, (mine, theirs)
        ended = await operator.post(path + "/consents/withdrawal", json={"scene_group": "never"})
        assert ended.status_code == status, (mine, theirs)
        onboarding = {"region": theirs, "identities": [{"scheme": "phone", "value": phones()}]}
        answer = await operator.post("/v1/operator/holders/batch", json={"holders": [onboarding]})
        item = answer.json()["items"][0]
        assert item["error"] == (None if status == 200 else "out_of_region"), (mine, theirs)
        assert (item["holder_id"] is None) is (status == 404)


@pytest.mark.parametrize("region", ["440300", "440305", "310101"])
async def test_an_operator_sees_acts_of_its_region_only(
    city: City, stage: Stage, phones: Any, operators: dict[str, Caller], region: str
) -> None:
    phone = phones()
    # The person lives elsewhere: it is the act's own region that counts.
    await city.holder(operators["100000"], phone, stage.source, region="420100")
    answer = await stage.source.post("/v1/activities", json=metro(f"at-{region}", phone, region=region))
    activity = answer.json()["activity_id"]
    assert activity is not None, answer.text
    for mine, operator in operators.items():
        status = 200 if covers(mine, region) else 404
        for path in (f"/v1/activities/{activity}", f"/v1/activities/{activity}/explanation"):
            assert (await operator.get(path)).status_code == status, mine
        if status == 404:
            path = f"/v1/activities/{activity}/reversal"
            assert (await operator.post(path, json={"reason": "x"})).status_code == 404, mine
    state = (await stage.source.get(f"/v1/activities/{activity}")).json()
    assert state["reversed_at"] is None


async def test_the_services_role_owns_nothing_and_cannot_change_entries(
    database_urls: tuple[str, str], stage: Stage, credited: str, owner: asyncpg.Connection
) -> None:
    role = await asyncpg.connect(database_urls[0])
    try:
        me = await role.fetchrow(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication"
            " FROM pg_roles WHERE rolname = current_user"
        )
        assert not any(me)
        assert (
            await role.fetchval("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole") == 0
        )
        assert await role.fetchval("SELECT count(*) FROM pg_proc WHERE proowner = current_user::regrole") == 0
        assert (
            await role.fetchval("SELECT count(*) FROM pg_auth_members WHERE member = current_user::regrole")
            == 0
        )
        assert not await role.fetchval("SELECT has_schema_privilege('public', 'CREATE')")
        assert not await role.fetchval("SELECT has_database_privilege(current_database(), 'CREATE')")
        tables = [
            row[0]
            for row in await owner.fetch(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p')"
                " AND relnamespace = 'public'::regnamespace"
            )
        ]
        assert len([table for table in tables if table.startswith("entries_")]) > 12
        for table in tables:
            forbidden = ["TRUNCATE", "TRIGGER", "REFERENCES"]
            if table.startswith(
                (
                    "entries",
                    "audit_records",
                    "receipts",
                    "methodology_versions",
                    "methodology_closures",
                    "recalculated_activities",
                    "settled_activities",
                    "act_signals",
                    "claim_moves",
                    "assets",
                    "agreement_receipts",
                    "mandate_terms",
                    "mandates",
                    "mandate_withdrawals",
                    "access_records",
                )
            ):
                forbidden += ["UPDATE", "DELETE"]
            if table.startswith(
                (
                    "activities",
                    "holders",
                    "consents",
                    "bindings",
                    "erasures",
                    "corrections",
                    "balances",
                    "lots",
                    "clients",
                )
            ):
                forbidden.append("DELETE")
            for privilege in forbidden:
                held = await role.fetchval("SELECT has_table_privilege($1, $2)", table, privilege)
                assert not held, (table, privilege)
                if privilege in ("UPDATE", "REFERENCES") and table.startswith("entries"):
                    assert not await role.fetchval(
                        "SELECT has_any_column_privilege($1, $2)", table, privilege
                    )
        denied = (
            "UPDATE entries SET amount = amount + 1",
            "DELETE FROM entries",
            "TRUNCATE entries",
            "UPDATE entries_2026_11 SET amount = 1",
            "DELETE FROM entries_2026_11",
            "ALTER TABLE entries DISABLE TRIGGER ALL",
            "DROP TABLE entries_2026_11",
            "ALTER TABLE entries DETACH PARTITION entries_2026_11",
            "UPDATE audit_records SET detail = ''",
            "DELETE FROM audit_records",
            "UPDATE activities SET co2e_mg = 0",
            "UPDATE receipts SET body_mac = ''",
            "UPDATE consents SET granted_at = now()",
            "DELETE FROM consents",
            "UPDATE holders SET created_at = now()",
            "UPDATE erasures SET due_at = now()",
            "UPDATE clients SET scopes = '{}'",
            "UPDATE organisations SET region = '100000'",
            "DELETE FROM signing_keys",
            "CREATE TABLE mine (a int)",
            "CREATE TEMPORARY TABLE mine (a int)",
            "SET ROLE tanpuhui_owner",
            "COPY entries TO PROGRAM 'cat'",
            "SELECT pg_read_file('/etc/passwd')",
        )
        for statement in denied:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await role.execute(statement)
    finally:
        await role.close()


async def test_sign_in_gives_no_more_than_the_client_has(city: City) -> None:
    for kind in ("platform", "bank", "merchant", "operator"):
        client = await city.client(kind)
        for wanted in ("me:account:read", "operator:holders:write platforms:activities:write", "*"):
            answer = await city.http.post(
                "/oauth/token",
                data={"grant_type": "client_credentials", "scope": wanted},
                auth=(client.client_id, client.secret),
            )
            assert answer.status_code == 400, (kind, wanted)
            assert answer.json()["error"] == "invalid_scope"
