"""Schemathesis against the running service, once with each audience's token."""

import asyncio
import contextlib
import copy
import datetime
import itertools
from typing import Any

import pytest
import pytest_asyncio
import requests
import schemathesis
from agreements.made import things_of
from agreements.people import signed_in
from alerts.known import known_alerts
from api.stage import Stage
from certificates.known import known_certificates
from emissions.known import known_emissions
from enterprises.known import known_memberships, known_readings, known_structure
from enterprises.plant import Plant, made_plant
from event_footprints.events_known import DAYS as EVENT_DAYS
from event_footprints.events_known import known_events, known_footprints
from exchanges.known import known_exchanges
from helpers import Caller, metro
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from issuance.known import known_issuances
from labels.known import known_labels
from lending.known import known_loans
from lending.lender import Lender
from market.exchange import made_exchange
from market.known import known_market
from offsets.firm import Firm
from offsets.known import known_offsets
from projects.known import known_projects
from proving.known import known_proofs
from redeeming.known import known_redemptions
from redeeming.market import Market
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from settling.known import known_settlements
from units.known import known_units
from versions.office import text_of

from accounts.ids import parse_public_id, public_id
from app.claiming.schemas import ACT_EXAMPLE, CLAIM_EXAMPLE
from app.ranks.service import rebuild
from app.ranks.store import Ranks
from app.tokens.schemas import ELEMENT_EXAMPLE
from app.wiring import utc_now

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
AUDIENCES = (
    "platform",
    "operator",
    "resident",
    "signed_in",
    "bank",
    "merchant",
    "neighbour",
    "enterprise",
    "participant",
    "verifier",
    "nobody",
)
EXAMPLES = {
    "platform": 5,
    "operator": 5,
    "resident": 4,
    "signed_in": 4,
    "bank": 2,
    "merchant": 2,
    "neighbour": 2,
    "enterprise": 3,
    "participant": 2,
    "verifier": 2,
    "nobody": 2,
}
BARRED = (401, 403)
SHARE = 0.8
METHODOLOGIES = "/v1/operator/methodologies"
RECALCULATIONS = "/v1/operator/recalculations"
EXCLUSION = {
    "region": "440300",
    "scene": "green.own_bag",
    "first_day": "2030-01-01",
    "legal_basis": "x",
    "reason": "x",
}
ADOPTION = EXCLUSION | {"region": "440500", "scene": "trip.e_bike"}
TEAM = {"kind": "family", "name": "x"}
OFFSET = {"co2e_g": "1", "purpose": "travel"}
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
CONDUCT = {"kind": "refuted_act", "happened_on": "2026-01-01", "reason": "x"}
POLICY = {"region": "440300", "from": "2030-01-01", "cap_burst": {"minutes": 1, "certain_at": 1}}
RULES = {
    "region": "440300",
    "name": {"zh": "x", "en": "x"},
    "from": "2030-01-01",
    "official": False,
    "scales": [
        {
            "domain": "building",
            "against_industry": {
                "weight": 100,
                "points": [{"ratio": "1", "points": 60}],
                "indicators": [{"indicator": "per_floor_area", "weight": 100, "benchmark": "1"}],
            },
            "thresholds": {"yellow": 30, "light_green": 60, "dark_green": 85},
        }
    ],
}
DAYS = {"from": "2026-11-01", "to": "2026-11-02"}
QUERIES = {
    **dict.fromkeys(("/v1/operator/event-coverage", "/v1/enterprises/event-coverage"), EVENT_DAYS),
    "/v1/neighbour/claims": {"from_day": "2026-11-01", "to_day": "2026-11-30"},
    **{f"/v1/enterprises/meters/{{meter_id}}/{noun}": DAYS for noun in ("uses", "readings", "gaps")},
}
NEIGHBOURS = {"region": "440300", "from": "2030-01-01"}
SCORE_CARDS = {"region": "440300", "from": "2030-01-01", "cards": [{"card": "resident", "version": "1"}]}
OFFSET_SOURCE = {"title": "x", "confidence": "quoted"}
OFFSET_RULES = {
    "market": "guangdong",
    "region": "440000",
    "from": "2030-01-01",
    "document": "x",
    "kinds": {"allowed": ["phcer"], "source": OFFSET_SOURCE},
    "limits": [{"code": "all", "kinds": ["phcer"], "most_t": 1, "source": OFFSET_SOURCE}],
    "deadline": {"days": {"2030": "2031-01-01"}, "source": OFFSET_SOURCE},
    "vintages": {"unstated": True},
    "boundary": {"unstated": True},
}
TEXTS = (
    ("set", "score-cards", SCORE_CARDS),
    ("agreement", "neighbour-agreements", NEIGHBOURS),
    ("programme", "programmes", PROGRAMME),
    ("campaign", "campaigns", CAMPAIGN),
    ("policy", "review-policies", POLICY),
    ("rules", "label-rules", RULES),
    ("offset_rules", "offset-rules", OFFSET_RULES),
)
_reached: dict[str, set[str]] = {}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lender(stage: Stage) -> Lender:
    return Lender(stage.city, await stage.city.client("bank"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(stage: Stage) -> Plant:
    return await made_plant(stage.city, stage.operator, region="440300")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def offsetting(stage: Stage) -> tuple[dict[tuple[str, str], Any], Firm]:
    known, firm = await known_offsets(stage.city, stage.operator)
    return known | await known_exchanges(firm), firm


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def redeeming(
    stage: Stage, lender: Lender, plant: Plant, offsetting: tuple[dict[tuple[str, str], Any], Firm]
) -> tuple[dict[tuple[str, str], Any], Caller, Caller]:
    market = Market(stage.city)
    known, merchant, resident = await known_redemptions(market, stage.operator)
    known |= await known_settlements(market, stage.operator, merchant, resident)
    known |= await known_issuances(stage.city)
    known |= await known_loans(lender)
    known |= known_footprints()
    known |= await known_events(
        stage.city.service, stage.operator, await stage.city.signed_in(stage.holder), plant
    )
    known |= await known_structure(plant)
    known |= await known_labels(plant)
    known |= await known_memberships(plant, await stage.city.signed_in(stage.holder))
    known |= await known_emissions(plant)
    known |= await known_readings(plant)
    known |= await known_alerts(plant)
    known |= offsetting[0]
    known |= await known_projects(stage.city, "440300")
    known |= await known_certificates(
        stage.city.service, stage.operator, parse_public_id("hld", stage.holder)
    )
    known |= await known_market(await made_exchange(stage.city), offsetting[1].firm)
    known |= await known_units(stage.city, offsetting[1].firm, lender.bank)
    return known, merchant, resident


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tokens(
    stage: Stage,
    lender: Lender,
    plant: Plant,
    redeeming: tuple[Any, Caller, Caller],
    offsetting: tuple[Any, Firm],
) -> dict[str, str]:
    city = stage.city
    return {
        "platform": stage.source.token,
        "operator": stage.operator.token,
        "resident": redeeming[2].token,
        "signed_in": (await city.signed_in(stage.holder)).token,
        "bank": lender.bank.token,
        "merchant": redeeming[1].token,
        "neighbour": (await city.client("neighbour")).token,
        "enterprise": plant.client.token,
        "participant": offsetting[1].firm.token,
        "verifier": (await city.client("verifier")).token,
        "nobody": "",
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def known(stage: Stage, redeeming: tuple[Any, Caller, Caller]) -> dict[str, Any]:
    """What is really there: a holder, activities, a client, and bodies that mean something."""
    reports = [
        metro(
            f"known-{day}",
            stage.phone,
            started_at=f"2026-10-{day:02d}T08:00:00+08:00",
            ended_at=f"2026-10-{day:02d}T08:25:00+08:00",
        )
        for day in range(1, 6)
    ]
    items = (await stage.source.post("/v1/activities/batch", json=reports)).json()["items"]
    assert {item["outcome"] for item in items} == {"credited"}
    contested = [
        await who.post(f"{path}/activities/{item['activity_id']}/dispute", json={"explanation": "x"})
        for who, path, item in (
            (stage.source, "/v1", items[0]),
            (signed_in(stage.city, stage.holder), "/v1/me", items[1]),
        )
    ]
    disputes = [answer.json()["dispute_id"] for answer in contested]
    identity = {"region": "440300", "scene": "trip.metro", "code": "KNOWN"}
    draft = await stage.operator.post(METHODOLOGIES, json=identity | {"version": "0"})
    second = await stage.city.client("operator", "440000")
    texts: dict[str, str] = {}
    for noun, door, text in TEXTS:
        # The operator's own, to be edited, and another's, to be approved.
        for whose, who in (("", stage.operator), ("/approval", second)):
            drafted = await who.post(f"/v1/operator/{door}", json=text)
            texts[f"{noun}_id{whose}"] = drafted.json()["id"]
    exclusion = await stage.operator.post(METHODOLOGIES + "/exclusions", json=EXCLUSION)
    corrections = [await submitted(stage, region) for region in ("445100", "445200")]
    recalculation = await stage.operator.post(
        RECALCULATIONS, json={"revision_id": corrections[0], "reason": "x"}
    )
    adoption = await stage.operator.post(METHODOLOGIES + "/adoptions", json=ADOPTION)
    service, now = stage.city.service, datetime.datetime.now(datetime.UTC)
    guardian = await stage.city.signed_in(stage.holder)
    holder = parse_public_id("hld", stage.holder)
    assert holder is not None
    async with service.database.transaction() as session:
        given = await service.sign_in.sessions.begin(session, holder, "phone", "", now)
        other = await service.sign_in.sessions.begin(session, holder, "phone", "", now)
    child = await guardian.post("/v1/me/children", json={"birth_month": "2020-01", "label": "x"})
    claims = (await stage.source.post("/v1/claims/batch", json=[CLAIM_EXAMPLE])).json()["items"]
    nearby = await stage.city.client("platform", "440300")
    webhook = (await stage.source.post("/v1/webhooks", json=HOOK)).json()["webhook_id"]
    await stage.source.post(f"/v1/webhooks/{webhook}/test")
    told = (await stage.source.get(f"/v1/webhooks/{webhook}/deliveries")).json()["items"]
    mine = signed_in(stage.city, stage.holder)
    lender = (await stage.city.client("bank")).organisation_id
    let_see = {
        "bank_id": lender,
        "purpose": "loan_application",
        "scope": "score",
        "valid_until": "2028-01-01T00:00:00Z",
        "text_version": "2026-11",
    }
    nearby_bank = (await stage.city.client("bank", "440300")).organisation_id
    channel = {"bank_id": nearby_bank, "name": "x", "basis": "x"}
    proposed = await second.post("/v1/operator/score-channels", json=channel)
    bank_grant = (await mine.post("/v1/me/bank-grants", json=let_see)).json()["grant_id"]
    team = await mine.post("/v1/me/teams", json=TEAM)
    used = await mine.post("/v1/me/offsets", json=OFFSET)
    conduct = await stage.operator.post(
        "/v1/operator/conduct-records", json=CONDUCT | {"holder_id": stage.holder}
    )
    async with service.database.driver_transaction() as driver:
        await rebuild(driver, Ranks(service.redis), utc_now())
    return {
        "conduct": conduct.json()["record_id"],
        "team": team.json()["team_id"],
        "bank_grant": bank_grant,
        "channel": channel,
        "proposed": proposed.json()["channel_id"],
        "let_see": let_see | {"purpose": "pre_screening"},
        "certificate": used.json()["certificate_id"],
        "recalculation": recalculation.json()["id"],
        "correction": corrections[1],
        "disputes": disputes,
        "child": child.json()["holder_id"],
        "refresh_token": given.refresh_token,
        "session": public_id("ses", other.session_id),
        "claim": claims[0]["id"],
        "platform": nearby.organisation_id,
        "webhook": webhook,
        "event": told[0]["event_id"],
        "identity": identity,
        "draft": draft.json(),
        "texts": texts,
        "exclusion": exclusion.json()["id"],
        "adoption": adoption.json()["id"],
        "activities": [item["activity_id"] for item in items],
        "redeeming": redeeming[0] | await known_proofs(stage.city, stage.holder),
        "holder": stage.holder,
        "mine": await things_of(signed_in(stage.city, stage.holder), stage.source),
        "report": reports[0],
        "client": {
            "grant_type": "client_credentials",
            "client_id": stage.source.client_id,
            "client_secret": stage.source.secret,
        },
    }


GRANT = {
    "kind": "evaluations",
    "amount": 1,
    "starts_at": "2026-01-01T00:00:00Z",
    "ends_at": "2030-01-01T00:00:00Z",
    "reason": "x",
}
HOOK = {"url": "http://127.0.0.1:9/", "event_types": ["activity.credited"]}


async def submitted(stage: Stage, region: str) -> str:
    """A version whose days are past, of a city without another."""
    text = text_of(region, datetime.date(2026, 1, 1))
    drafted = (await stage.operator.post(METHODOLOGIES, json={"methodology": text})).json()
    step = {"json": {"reason": "x"}, "headers": {"If-Match": "1"}}
    answer = await stage.operator.post(f"{METHODOLOGIES}/{drafted['id']}/submission", **step)
    assert answer.status_code == 200, answer.text
    return str(drafted["id"])


def ids_of(path: str, known: dict[str, Any], turn: int) -> dict[str, str]:
    """Ids that a path may name."""
    found = {
        "activity_id": known["activities"][turn % len(known["activities"])],
        "holder_id": known["child"] if path.startswith("/v1/me/children/") else known["holder"],
        "name": "grid_cn",
        "scene_group": "trip",
        "session_id": known["session"],
        "webhook_id": known["webhook"],
        "event_id": known["event"],
        "claim_id": known["claim"],
        "recalculation_id": known["recalculation"],
        "certificate_id": known["certificate"],
        "grant_id": known["bank_grant"],
        "channel_id": known["proposed"],
        "record_id": known["conduct"],
        "card": "resident",
        "dispute_id": known["disputes"][path.startswith("/v1/me/")],
    }
    if not path.endswith("/leave"):
        found["team_id"] = known["team"]
    return found


def made_real(case: Any, known: dict[str, Any], turn: int) -> None:
    """Put what is really there into a made-up case."""
    path, names = case.operation.path, case.path_parameters
    there = ids_of(path, known, turn)
    names.update({name: value for name, value in there.items() if name in names})
    if found := known["redeeming"].get((case.operation.method.upper(), path)):
        parameters, body, version = found
        names.update(parameters)
        case.query.clear()
        case.query.update(QUERIES.get(path, {}))
        if body is not None:
            case.body = body
            case.media_type = "application/json"
        if version is not None:
            case.headers["If-Match"] = str(version)
        return
    if path.startswith(METHODOLOGIES):
        made_real_methodology(case, known, turn)
        return
    for name, value in known["mine"]["ids"].items():
        if name in names:
            names[name] = value
    if path.startswith(tuple(f"/v1/operator/{door}" for _, door, _ in TEXTS)):
        made_real_text(case, known["texts"])
        return
    bodies = {
        "/operator/recalculations": {"revision_id": known["correction"], "reason": "x"},
        "/cancellation": {"reason": "x"},
        "/dispute": {"explanation": "x"},
        "/disputes/{dispute_id}/decision": {"decision": "upheld", "reason": "x"},
        **known["mine"]["bodies"],
        "/oauth/token": known["client"],
        "/v1/activities": known["report"],
        "/v1/activities/batch": [known["report"]],
        "/v1/claims/batch": [CLAIM_EXAMPLE],
        "/v1/claims/query": [ACT_EXAMPLE],
        "/neighbour/claims/query": {"digests": [["2026-11-16", "A" * 22]]},
        "/v1/claims/disclosure": {"discloses_wins": False},
        "/{claim_id}/release": {"reason": "refund"},
        "/v1/tokens/evaluate": {"elements": [ELEMENT_EXAMPLE]},
        "/quota-grants": GRANT | {"organisation_id": known["platform"]},
        "/conduct-records": CONDUCT | {"holder_id": known["holder"]},
        "/conduct-records/{record_id}/withdrawal": {"reason": "x"},
        "/reversal": {"reason": "refund"},
        "/withdrawal": {"scene_group": "never"},
        "/holders/batch": {"holders": []},
        "/me/children": {"birth_month": "2020-01", "label": "x"},
        "/real-name": {"id_no": "110101201001010015", "reason": "x"},
        "/sessions/refresh": {"refresh_token": known["refresh_token"]},
        "/v1/webhooks": HOOK,
        "/{webhook_id}": HOOK,
        "/secret": {"overlap_hours": 1},
        "/{webhook_id}/replay": {"since": "2026-10-01T00:00:00Z", "until": "2026-10-02T00:00:00Z"},
        "/me/footprints": {"month": "2025-10", "items": [{"item": "gas", "quantity": 1, "unit": "m3"}]},
        "/me/offsets": OFFSET,
        "/me/teams": TEAM,
        "/me/bank-grants": known["let_see"],
        "/operator/score-channels": known["channel"],
        "/{channel_id}/approval": {"reason": "x"},
        "/{channel_id}/end": {"reason": "x"},
        "/me/rank": {"shown": True},
        "/preferred-platforms/{scene_group}": {"source_id": known["platform"]},
    }
    body = next((body for end, body in bodies.items() if path.endswith(end)), None)
    if body is not None and case.operation.method.lower() != "get":
        case.body = body
    if path in ("/v1/activities/batch", "/v1/claims/batch", "/v1/claims/query"):
        case.media_type = "application/json"
    case.query.clear()
    case.query.update(QUERIES.get(path, {}))


def made_real_text(case: Any, texts: dict[str, str]) -> None:
    """The same for programmes and campaigns: those to be approved are another's, the others one's own."""
    path = case.operation.path
    approves = path.endswith("/approval")
    for name in case.path_parameters:
        case.path_parameters[name] = texts[name + ("/approval" if approves else "")]
    case.query.clear()
    if case.operation.method.lower() != "get":
        case.headers["If-Match"] = "1"
        ends = {"reason": "x", "until": CAMPAIGN["until"]}
        text = next(text for _, door, text in TEXTS if f"/{door}" in path)
        case.body = {"reason": "x"} if approves else ends if path.endswith("/end") else text


def made_real_methodology(case: Any, known: dict[str, Any], turn: int) -> None:
    """The same for methodologies; what was drafted is retired in the end, and is refused from there on."""
    path, method = case.operation.path, case.operation.method.lower()
    for name, value in (
        ("revision_id", known["draft"]["id"]),
        ("exclusion_id", known["exclusion"]),
        ("adoption_id", known["adoption"]),
    ):
        if name in case.path_parameters:
            case.path_parameters[name] = value
    case.query.clear()
    if path.endswith("/timeline"):
        case.query.update({"region": "440300", "scene": "trip.metro"})
    if method == "get":
        return
    case.headers["If-Match"] = "2" if path.endswith("/retirement") else "1"
    case.body = {
        "/check": {"methodology": {}},
        "/exclusions": EXCLUSION,
        "/adoptions": ADOPTION,
        "/end": {"last_day": "2031-01-01", "reason": "x"},
        "/retirement": {"reason": "x"},
        "/methodologies": known["identity"] | {"version": str(turn)},
        "_id}": {"methodology": known["draft"]["methodology"]},
    }.get("/" + path.rpartition("/")[2] if not path.endswith("_id}") else "_id}", {"reason": "x"})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def loaded(base_url: str) -> list[tuple[list[Any], bool]]:
    return await asyncio.to_thread(plans, base_url)


def plans(base_url: str) -> list[tuple[list[Any], bool]]:
    """(cases, whether they fit the document) of every operation that the service itself publishes.

    They are made up once: those of each audience would be the same, and most of the time goes into finding
    them. What signs a person out comes last: nobody would be let in any more.
    """
    schema = schemathesis.openapi.from_url(base_url + "/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    operations.sort(key=lambda operation: operation.label.startswith("DELETE /v1/me/sessions"))
    most = max(EXAMPLES.values())
    return [
        (made_up(operation, mode, most if fits else most // 2), fits)
        for operation in operations
        for mode, fits in ((GenerationMode.POSITIVE, True), (GenerationMode.NEGATIVE, False))
    ]


def made_up(operation: Any, mode: GenerationMode, count: int) -> list[Any]:
    """So many cases, the same in every run."""
    takes = (operation.path_parameters, operation.query, operation.headers, operation.cookies, operation.body)
    # There is no wrong way to ask what takes no parameter and no body; it would be sought for long.
    if mode is GenerationMode.NEGATIVE and not any(takes):
        return []
    cases: list[Any] = []

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def keep(case: Any) -> None:
        cases.append(case)

    with contextlib.suppress(Unsatisfiable):
        keep()
    return cases


def again(case: Any) -> Any:
    """The same case, to be changed and sent."""
    return case.operation.Case(
        path_parameters=dict(case.path_parameters),
        headers=dict(case.headers),
        cookies=dict(case.cookies),
        query=dict(case.query),
        body=case.body,
        media_type=case.media_type,
        multipart_content_types=case.multipart_content_types,
        _meta=copy.deepcopy(case._meta),
    )


def explore(
    base_url: str, token: str, known: dict[str, Any], plans: list[tuple[list[Any], bool]], count: int
) -> set[str]:
    """Try every operation; answers those that reached a 2xx.

    What is barred to an audience is tried once: all else that is sent there gets the same answer.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    reached: set[str] = set()
    barred: set[str] = set()
    turn = itertools.count()
    with requests.Session() as session:

        def once(case: Any, real: bool) -> None:
            if real:
                made_real(case, known, next(turn))
            answer = case.call(base_url=base_url, session=session, headers=headers, timeout=10)
            if 200 <= answer.status_code < 300:
                reached.add(case.operation.label)
            elif answer.status_code in BARRED:
                barred.add(case.operation.label)
            if answer.status_code >= 400 and case.operation.path != "/readyz":
                assert answer.headers["content-type"] == ["application/problem+json"]
            case.validate_response(answer, checks=CHECKS)

        for cases, fits in plans:
            # Every second case that fits the document is made one of what is really there, the first at once.
            turns = itertools.cycle((fits, False))
            for case in cases[: count if fits else count // 2]:
                if case.operation.label not in barred:
                    once(again(case), next(turns))
    return reached


@pytest.mark.parametrize("audience", AUDIENCES)
async def test_answers_conform(
    base_url: str,
    tokens: dict[str, str],
    known: dict[str, Any],
    loaded: list[tuple[list[Any], bool]],
    audience: str,
) -> None:
    _reached[audience] = await asyncio.to_thread(
        explore, base_url, tokens[audience], known, loaded, EXAMPLES[audience]
    )


def test_most_operations_reach_a_2xx(request: pytest.FixtureRequest) -> None:
    if set(_reached) != set(AUDIENCES):
        pytest.skip("needs the whole file")
    schema = schemathesis.openapi.from_dict(_document())
    everything = {found.ok().label for found in schema.get_all_operations()}
    reached = set().union(*_reached.values())
    assert len(reached) >= SHARE * len(everything), sorted(everything - reached)


def _document() -> dict[str, Any]:
    from app.application import create_app  # noqa: PLC0415 - the only use here

    return create_app().openapi()
