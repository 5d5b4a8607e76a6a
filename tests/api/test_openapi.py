"""The published document: valid, up to date, complete, and true to its examples."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from app.application import create_app
from app.auth.scopes import DESCRIPTIONS
from app.problems import CODES, MEDIA_TYPE

PUBLISHED = Path(__file__).resolve().parent.parent.parent / "openapi" / "openapi.json"
PUBLIC = {
    ("post", "/oauth/token"),
    ("get", "/.well-known/jwks.json"),
    ("post", "/v1/me/phone-codes"),
    ("post", "/v1/me/sessions"),
    ("post", "/v1/me/sessions/refresh"),
    ("get", "/v1/tokens/keys"),
    ("get", "/v1/methodologies"),
    ("get", "/v1/methodologies/placeholders"),
    ("get", "/v1/score-cards"),
    ("get", "/v1/factors"),
    ("get", "/v1/ledger/heads"),
    ("get", "/v1/offset-rules"),
    ("get", "/v1/offset-rules/{market}"),
    ("get", "/v1/issuances"),
    ("get", "/v1/issuances/{issuance_id}"),
    ("get", "/v1/factors/{name}"),
    ("get", "/v1/public/event-footprints/items"),
    ("post", "/v1/public/event-footprints"),
    ("get", "/v1/public/event-pools"),
    ("get", "/v1/ledger/heads"),
    ("get", "/v1/offset-rules"),
    ("get", "/v1/offset-rules/{market}"),
    ("get", "/v1/offset-recognition"),
    ("post", "/v1/payments/wechat_pay/notification"),
    ("get", "/v1/consent-texts"),
    ("get", "/v1/consent-texts/keys"),
    ("get", "/v1/mandate-terms"),
    ("get", "/v1/certificates/{certificate_id}"),
    ("get", "/v1/auctions"),
    ("get", "/v1/auctions/{auction_id}"),
    ("get", "/v1/reference-prices/{market}"),
    ("get", "/v1/reference-prices/{market}/chart.svg"),
    ("post", "/v1/reports/verification"),
    ("get", "/v1/public/certificates/{number}"),
    ("get", "/v1/public/projects"),
    ("get", "/v1/public/certificates/{number}/certificate.jws"),
    ("get", "/v1/public/certificates/{number}/certificate.pdf"),
    ("post", "/v1/public/certificates/verification"),
    ("get", "/healthz"),
    ("get", "/readyz"),
}
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(create_app().openapi()))
    return found


FILES: tuple[set[str], ...] = (
    {"text/csv"},
    {"application/pdf"},
    {"application/jose"},
    {"application/x-ndjson"},
    {"image/svg+xml"},
    {"application/octet-stream"},
)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield method, path, operation


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    errors = list(jsonschema_rs.validator_for(OPENAPI_31).iter_errors(document))
    assert not errors, errors[0]


def test_it_is_published(document: dict[str, Any]) -> None:
    assert PUBLISHED.exists(), f"{PUBLISHED} is missing: run `make openapi`"
    assert json.loads(PUBLISHED.read_text()) == document, (
        "openapi/openapi.json is not what the code says: run `make openapi`"
    )


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)))
    for reference in references:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    unused = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]} - references
    assert not unused


def test_every_schema_is_one(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(schema), name


def test_every_operation_says_what_it_does_and_who_may(document: dict[str, Any]) -> None:
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert flow["scopes"] == DESCRIPTIONS
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    used = set()
    for method, path, operation in operations(document):
        place = (method, path)
        assert operation["summary"].strip(), place
        assert operation["description"].strip(), place
        assert operation["tags"], place
        security = operation.get("security")
        if place in PUBLIC:
            assert security is None, place
            continue
        assert security, place
        for alternative in security:
            assert set(alternative) == {"oauth2"}
            assert set(alternative["oauth2"]) <= set(DESCRIPTIONS), place
            used |= set(alternative["oauth2"])
    assert used == set(DESCRIPTIONS)
    assert {(method, path) for method, path, _ in operations(document)} >= PUBLIC


def test_every_operation_names_its_failures(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        place, responses = (method, path), operation["responses"]
        assert "200" in responses
        content = responses["200"]["content"]
        assert "$ref" in json.dumps(content) or set(content) in FILES, place
        for status, response in responses.items():
            if status.startswith(("4", "5")) and path != "/readyz":
                assert set(response["content"]) == {MEDIA_TYPE}, (place, status)
                codes = re.findall(r"`([a-z_]+\.[a-z_]+)`", response["description"])
                assert codes, (place, status)
                assert all(str(CODES[code][0]) == status for code in codes), (place, status)
        if place not in PUBLIC:
            assert {"401", "403", "429", "503"} <= set(responses), place
            assert "`auth.invalid`" in responses["401"]["description"]
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= set(responses), place
            assert operation["requestBody"]["required"] is True
        if "{" in path:
            assert "404" in responses, place
        if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
            assert "422" in responses, place


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    whole = copy.deepcopy(schema)
    whole["components"] = document["components"]
    return jsonschema_rs.validator_for(whole, validate_formats=True)


def examples(  # noqa: C901 - one loop for each place
    document: dict[str, Any],
) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """(place, schema, example) of everything that is shown."""
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            yield name, schema, example
        for field, part in schema.get("properties", {}).items():
            for example in part.get("examples", ()):
                yield f"{name}.{field}", part, example
    for method, path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            for example in parameter["schema"].get("examples", parameter.get("examples", ())):
                yield f"{method} {path} {parameter['name']}", parameter["schema"], example
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            for example in content.get("examples", {}).values():
                yield f"{method} {path} {media}", content["schema"], example["value"]
            if "example" in content:
                yield f"{method} {path} {media}", content["schema"], content["example"]


def test_examples_are_valid(document: dict[str, Any]) -> None:
    count = 0
    for place, schema, example in examples(document):
        errors = list(resolved(document, schema).iter_errors(example))
        assert not errors, (place, errors[0])
        count += 1
    assert count > 15


def test_every_body_has_an_example(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            assert content.get("examples") or content.get("example"), (method, path)


def test_no_example_is_a_real_number(document: dict[str, Any]) -> None:
    """Telephone numbers of examples come from one made-up range."""
    for number in re.findall(r"\b1[3-9][0-9]{9}\b", json.dumps(document)):
        assert number.startswith("139000000"), number
