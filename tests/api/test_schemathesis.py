"""Schemathesis against the running service, once with each audience's token."""

import asyncio
import contextlib
import datetime
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio
import requests
import schemathesis
from agreements.made import things_of
from agreements.people import signed_in
from api.stage import Stage
from helpers import Caller, metro
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
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
from versions.office import text_of

from accounts.ids import parse_public_id, public_id

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
AUDIENCES = ("platform", "operator", "resident", "signed_in", "bank", "merchant", "nobody")
EXAMPLES = {
    "platform": 5,
    "operator": 5,
    "resident": 4,
    "signed_in": 4,
    "bank": 2,
    "merchant": 2,
    "nobody": 2,
}
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
_reached: dict[str, set[str]] = {}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def redeeming(stage: Stage) -> tuple[dict[tuple[str, str], Any], Caller, Caller]:
    return await known_redemptions(Market(stage.city), stage.operator)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tokens(stage: Stage, redeeming: tuple[Any, Caller, Caller]) -> dict[str, str]:
    city = stage.city
    return {
        "platform": stage.source.token,
        "operator": stage.operator.token,
        "resident": redeeming[2].token,
        "signed_in": (await city.signed_in(stage.holder)).token,
        "bank": (await city.client("bank")).token,
        "merchant": redeeming[1].token,
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
    identity = {"region": "440300", "scene": "trip.metro", "code": "KNOWN"}
    draft = await stage.operator.post(METHODOLOGIES, json=identity | {"version": "0"})
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
    webhook = (await stage.source.post("/v1/webhooks", json=HOOK)).json()["webhook_id"]
    await stage.source.post(f"/v1/webhooks/{webhook}/test")
    told = (await stage.source.get(f"/v1/webhooks/{webhook}/deliveries")).json()["items"]
    return {
        "recalculation": recalculation.json()["id"],
        "correction": corrections[1],
        "child": child.json()["holder_id"],
        "refresh_token": given.refresh_token,
        "session": public_id("ses", other.session_id),
        "webhook": webhook,
        "event": told[0]["event_id"],
        "identity": identity,
        "draft": draft.json(),
        "exclusion": exclusion.json()["id"],
        "adoption": adoption.json()["id"],
        "activities": [item["activity_id"] for item in items],
        "redeeming": redeeming[0],
        "holder": stage.holder,
        "mine": await things_of(signed_in(stage.city, stage.holder), stage.source),
        "report": reports[0],
        "client": {
            "grant_type": "client_credentials",
            "client_id": stage.source.client_id,
            "client_secret": stage.source.secret,
        },
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


def made_real(case: Any, known: dict[str, Any], turn: int) -> None:
    """Put what is really there into a made-up case."""
    path, names = case.operation.path, case.path_parameters
    there = {
        "activity_id": known["activities"][turn % len(known["activities"])],
        "holder_id": known["child"] if path.startswith("/v1/me/children/") else known["holder"],
        "name": "grid_cn",
        "session_id": known["session"],
        "webhook_id": known["webhook"],
        "event_id": known["event"],
        "recalculation_id": known["recalculation"],
    }
    names.update({name: value for name, value in there.items() if name in names})
    if found := known["redeeming"].get((case.operation.method.upper(), path)):
        parameters, body, version = found
        names.update(parameters)
        case.query.clear()
        if body is not None:
            case.body = body
        if version is not None:
            case.headers["If-Match"] = str(version)
        return
    if path.startswith(METHODOLOGIES):
        made_real_methodology(case, known, turn)
        return
    for name, value in known["mine"]["ids"].items():
        if name in names:
            names[name] = value
    bodies = {
        "/operator/recalculations": {"revision_id": known["correction"], "reason": "x"},
        "/cancellation": {"reason": "x"},
        **known["mine"]["bodies"],
        "/oauth/token": known["client"],
        "/v1/activities": known["report"],
        "/v1/activities/batch": [known["report"]],
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
    }
    body = next((body for end, body in bodies.items() if path.endswith(end)), None)
    if body is not None and case.operation.method.lower() != "get":
        case.body = body
    if path == "/v1/activities/batch":
        case.media_type = "application/json"
    case.query.clear()


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
async def loaded(base_url: str) -> list[tuple[Any, bool]]:
    return await asyncio.to_thread(plans, base_url)


def plans(base_url: str) -> list[tuple[Any, bool]]:
    """(cases, whether they fit the document) of every operation that the service itself publishes.

    What signs a person out comes last: nobody would be let in any more.
    """
    schema = schemathesis.openapi.from_url(base_url + "/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    operations.sort(key=lambda operation: operation.label.startswith("DELETE /v1/me/sessions"))
    return [
        (operation.as_strategy(generation_mode=mode), mode is GenerationMode.POSITIVE)
        for operation in operations
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    ]


def explore(
    base_url: str, token: str, known: dict[str, Any], plans: list[tuple[Any, bool]], count: int
) -> set[str]:
    """Try every operation; answers those that reached a 2xx."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    reached: set[str] = set()
    turn = itertools.count()
    with requests.Session() as session:

        def once(case: Any, real: bool) -> None:
            if real:
                made_real(case, known, next(turn))
            answer = case.call(base_url=base_url, session=session, headers=headers, timeout=10)
            if 200 <= answer.status_code < 300:
                reached.add(case.operation.label)
            if answer.status_code >= 400 and case.operation.path != "/readyz":
                assert answer.headers["content-type"] == ["application/problem+json"]
            case.validate_response(answer, checks=CHECKS)

        for cases, fits in plans:
            # Every second case that fits the document is made one of what is really there, the first at once.
            turns = itertools.cycle((fits, False))
            run(cases, lambda case, turns=turns: once(case, next(turns)), count if fits else count // 2)
    return reached


def run(cases: Any, once: Callable[[Any], None], count: int) -> None:
    """So many cases, the same in every run."""

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def test(case: Any) -> None:
        once(case)

    # There is no wrong way to ask what takes no parameter and no body.
    with contextlib.suppress(Unsatisfiable):
        test()


@pytest.mark.parametrize("audience", AUDIENCES)
async def test_answers_conform(
    base_url: str,
    tokens: dict[str, str],
    known: dict[str, Any],
    loaded: list[tuple[Any, bool]],
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
