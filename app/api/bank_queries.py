"""What banks ask about customers who granted it: tiers, scores, labels, many at once, lists to export."""

import csv
import io
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter

from accounts.errors import Fault
from accounts.ids import parse_public_id, public_id
from accounts.labels.queries import current_label
from app.api import my
from app.api.access import ServicesDep, caller
from app.api.bank_door import bank_caller
from app.api.http import JSON, json_response, media_type, operation, parse, read_body
from app.auth import scopes
from app.auth.principal import Principal
from app.banking import answers, channels, grants, repository
from app.banking.desk_errors import ChannelMissing, NotScored
from app.banking.errors import AccessRefused
from app.banking.grants import Ask, Customer
from app.banking.query_schemas import (
    CustomerInput,
    LabelAnswer,
    LabelQuery,
    PreScreening,
    PreScreeningAnswer,
    ScoreAnswer,
    ScoreQuery,
    TierAnswer,
)
from app.banking.schemas import REFERENCE
from app.banking.terms import Purpose, Scope
from app.database import driver_of
from app.my_data import access
from app.my_data.access import What
from app.problems import RequestError
from app.scoring.schemas import score_view
from app.wiring import Services
from dedup.person_key import IdentifierRefused

router = APIRouter(prefix="/v1/bank", tags=["bank queries"])
Bank = Annotated[Principal, Depends(caller(scopes.BANK_SCORES_READ))]
AskingTier = Annotated[Principal, Depends(bank_caller("tier", scopes.BANK_SCORES_READ))]
AskingScore = Annotated[Principal, Depends(bank_caller("score", scopes.BANK_SCORES_READ))]
AskingLabel = Annotated[Principal, Depends(bank_caller("label", scopes.BANK_SCORES_READ))]
Screening = Annotated[Principal, Depends(bank_caller("pre_screening", scopes.BANK_SCORES_READ))]
CSV = "text/csv"
MAX_BYTES = 1_048_576
_SCORE: TypeAdapter[ScoreQuery] = TypeAdapter(ScoreQuery)
_LABEL: TypeAdapter[LabelQuery] = TypeAdapter(LabelQuery)
_SCREENING: TypeAdapter[PreScreening] = TypeAdapter(PreScreening)
_CUSTOMER = {"reference": REFERENCE}
_EXAMPLE = {"customer": _CUSTOMER, "purpose": "loan_application", "card": "resident"}
_LIST = operation(scopes.BANK_SCORES_READ, errors=("request.invalid",))
_EXPORT = operation(scopes.BANK_SCORES_READ, errors=(ChannelMissing, "request.invalid"))
for _each in (_LIST, _EXPORT):
    _each["responses"][200] = {
        "content": {CSV: {"schema": {"type": "string", "description": "A head and one customer a line"}}}
    }
Card = Annotated[str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$", examples=["resident"])]
Tiers = Annotated[
    list[str] | None,
    Query(alias="tier", max_length=20, description="Only customers of these tiers; all where absent"),
]
Many = Annotated[int, Query(ge=1, le=5_000, description="Grants that one page looks at")]


@router.post(
    "/tiers/query",
    response_model=TierAnswer,
    summary="A customer's tier",
    **operation(
        scopes.BANK_SCORES_READ, body=ScoreQuery, examples=[_EXAMPLE], errors=(AccessRefused, NotScored)
    ),
)
async def query_tier(request: Request, principal: AskingTier, services: ServicesDep) -> Response:
    """By a grant of this purpose and at least the scope `tier`; the customer's access log tells of it."""
    wanted = parse(_SCORE, await _body(request))
    return await _score(principal, services, wanted, Scope.TIER)


@router.post(
    "/scores/query",
    response_model=ScoreAnswer,
    summary="A customer's score with its reasons",
    **operation(
        scopes.BANK_SCORES_READ, body=ScoreQuery, examples=[_EXAMPLE], errors=(AccessRefused, NotScored)
    ),
)
async def query_score(request: Request, principal: AskingScore, services: ServicesDep) -> Response:
    """By a grant of this purpose and at least the scope `score`; the customer's access log tells of it."""
    wanted = parse(_SCORE, await _body(request))
    return await _score(principal, services, wanted, Scope.SCORE)


async def _score(principal: Principal, services: Services, wanted: ScoreQuery, scope: Scope) -> Response:
    what: What = "tier" if scope is Scope.TIER else "score"
    ask = asking(principal, wanted.purpose, scope, what)
    now = services.intake.clock()
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        grant = await grants.require(driver, ask, meant(services, wanted.customer, "/customer"), now)
        cards = services.live.score_cards()
        found = await answers.score_for(driver, cards, grant.holder_id, wanted.card, now)
    told = answers.tier_view(found) if scope is Scope.TIER else {"score": score_view(found)}
    return json_response(answers.under(grant) | told)


@router.post(
    "/labels/query",
    response_model=LabelAnswer,
    summary="A customer's label",
    **operation(
        scopes.BANK_SCORES_READ,
        body=LabelQuery,
        examples=[{"customer": _CUSTOMER, "purpose": "loan_application", "detail": True}],
        errors=(AccessRefused,),
    ),
)
async def query_label(request: Request, principal: AskingLabel, services: ServicesDep) -> Response:
    """Its colour by the scope `tier`; what it rests on by the scope `score`."""
    wanted = parse(_LABEL, await _body(request))
    ask = asking(principal, wanted.purpose, Scope.SCORE if wanted.detail else Scope.TIER, "label")
    now = services.intake.clock()
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        grant = await grants.require(driver, ask, meant(services, wanted.customer, "/customer"), now)
        label = await current_label(driver, grant.holder_id)
    return json_response(answers.under(grant) | answers.label_view(label, detail=wanted.detail))


@router.post(
    "/pre-screenings",
    response_model=PreScreeningAnswer,
    summary="Tiers of up to 1,000 people, of those who agreed to be asked about",
    **operation(
        scopes.BANK_SCORES_READ,
        body=PreScreening,
        examples=[{"card": "resident", "customers": [_CUSTOMER]}],
    ),
)
async def pre_screen(request: Request, principal: Screening, services: ServicesDep) -> Response:
    """Null alike for no consent, for one who is unknown and for too little data; each is looked up the same way."""
    wanted = parse(_SCREENING, await _body(request))
    customers = [meant(services, each, f"/customers/{place}") for place, each in enumerate(wanted.customers)]
    ask = asking(principal, Purpose.PRE_SCREENING, Scope.TIER, "pre_screening")
    now = services.intake.clock()
    async with services.database.transaction() as session:
        driver = await driver_of(session)
        found = await grants.look(driver, ask, customers, now)
        granted = [each.holder_id for each in found if each is not None]
        tiers = await answers.tiers_of(driver, granted, wanted.card)
    items = [
        {"tier": tiers[each.holder_id].tier if each is not None and each.holder_id in tiers else None}
        for each in found
    ]
    return json_response({"card": wanted.card, "items": items})


@router.get(
    "/white-list.csv",
    response_class=Response,
    summary="Customers who agreed to be on this bank's list, with their tiers, as CSV",
    **_LIST,
)
async def white_list(
    principal: Bank,
    services: ServicesDep,
    card: Card,
    tier: Tiers = None,
    limit: Many = 1_000,
    cursor: my.Cursor = None,
) -> Response:
    """For the purpose `white_list`; the next page's cursor is in `X-Next-Cursor`. Each line is in an access log."""
    return await _export(principal, services, (card, tier, limit, cursor), Scope.TIER)


@router.get(
    "/score-export.csv",
    response_class=Response,
    summary="The same list with scores, by the lawful channel alone",
    **_EXPORT,
)
async def score_export(
    principal: Bank,
    services: ServicesDep,
    card: Card,
    tier: Tiers = None,
    limit: Many = 1_000,
    cursor: my.Cursor = None,
) -> Response:
    """Of those who granted `score` for it. Off until two operators have put this bank's channel in force."""
    return await _export(principal, services, (card, tier, limit, cursor), Scope.SCORE)


async def _export(
    principal: Principal,
    services: Services,
    wanted: tuple[str, list[str] | None, int, str | None],
    scope: Scope,
) -> Response:
    card, tiers, limit, cursor = wanted
    what: What = "white_list" if scope is Scope.TIER else "score_export"
    bank, now = principal.organisation_id, services.intake.clock()
    covering = [each.value for each in Scope if each.covers(scope)]
    after = my.place("bgr", cursor)
    async with services.database.transaction() as session:
        if scope is Scope.SCORE:
            await channels.require(session, bank)
        driver = await driver_of(session)
        rows = await repository.hold_white_list(driver, bank, covering, after, limit + 1, now)
        page = rows[:limit]
        scores = await answers.tiers_of(driver, [row["holder_id"] for row in page], card)
        listed = [
            (row, scores[row["holder_id"]])
            for row in page
            if row["holder_id"] in scores and (tiers is None or scores[row["holder_id"]].tier in tiers)
        ]
        asked = [
            access.Asked(
                bank,
                principal.name,
                what,
                Purpose.WHITE_LIST.value,
                row["holder_id"],
                public_id("bgr", row["id"]),
                None,
            )
            for row, _ in listed
        ]
        await access.record_asked(driver, asked, now)
    head = ["reference", "card", "version", "as_of", "tier"] + (["points"] if scope is Scope.SCORE else [])
    lines = []
    for row, found in listed:
        told = answers.tier_view(found) | {
            "reference": public_id("cus", row["reference"]),
            "points": found.points,
        }
        lines.append([told[name] for name in head])
    headers = {"X-Next-Cursor": public_id("bgr", page[-1]["id"])} if len(rows) > limit else {}
    return Response(_csv(head, lines), media_type=CSV, headers=headers)


def asking(principal: Principal, purpose: Purpose, scope: Scope, what: What) -> Ask:
    """A query of the bank that calls."""
    return Ask(principal.organisation_id, principal.name, purpose, scope, what)


def meant(services: Services, customer: CustomerInput, place: str) -> Customer:
    """Whom a bank means; `request.invalid` where an identifier is none. A reference that is none is nobody's."""
    if customer.identity is None:
        return Customer(reference=parse_public_id("cus", customer.reference or "") or UUID(int=0))
    try:
        token = services.hasher.token(customer.identity.scheme, customer.identity.value)
    except IdentifierRefused as refused:
        raise RequestError("request.invalid", Fault(place + "/identity", refused.code)) from None
    return Customer(identity=UUID(bytes=token))


async def _body(request: Request) -> bytes:
    if media_type(request) != JSON:
        raise RequestError("request.media_type")
    return await read_body(request, MAX_BYTES)


def _csv(head: list[str], lines: list[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(lines)
    return text.getvalue()
