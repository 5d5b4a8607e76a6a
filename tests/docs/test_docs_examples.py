"""What the pages show is run: the README's walk-through in a shell, its roles, and the examples of docs/api.md."""

import asyncio
import json
import os
import re
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from helpers import City
from pydantic import TypeAdapter, ValidationError

from accounts import schemas as holders
from app.api.audit import AuditList
from app.api.factors import FactorRowList
from app.api.oauth import TokenAnswer
from app.api.operator import ResidentToken
from app.api.payments import PaymentBegun, PaymentInput
from app.api.platforms import ReversalRequest
from app.auth import resident_schemas as residents
from app.claiming import schemas as claims
from app.crediting import schemas as activities
from app.crediting.aggregation import AggregationList
from app.crediting.corroboration_quality import PlatformFiguresList
from app.crediting.precedence_choice import PreferredPlatformInput, PreferredPlatformList
from app.crediting.queries import ActivityView
from app.disputes.schemas import ContestInput, DisputeDecision
from app.embedded.stack import Stack
from app.migrate import migrate
from app.problems import Problem
from app.quotas.schemas import QuotaGrantInput
from app.recalculation.schemas import RecalculationApproval, RecalculationInput
from app.review.schemas import ReviewDecision
from app.settings import Settings
from app.tokens.schemas import EvaluationInput
from app.verification import verify
from app.versions import schemas as versions
from app.webhooks import schemas as webhooks
from app.wiring import Services
from dedup.person_key import normalise
from points import redemption_schemas as redemption
from points import settlement_schemas as settlement
from points.offer_schemas import OfferInput

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
MODELS = {
    model.__name__: model
    for model in (
        activities.ActivityReport,
        activities.ActivityOutcome,
        activities.BatchOutcome,
        ActivityView,
        ReversalRequest,
        DisputeDecision,
        ContestInput,
        PlatformFiguresList,
        PreferredPlatformInput,
        PreferredPlatformList,
        ReviewDecision,
        TokenAnswer,
        ResidentToken,
        Problem,
        RecalculationInput,
        RecalculationApproval,
        holders.HolderBatch,
        holders.HolderBatchAnswer,
        holders.WithdrawalInput,
        holders.WithdrawalAnswer,
        holders.AccountView,
        holders.EntryList,
        versions.DraftInput,
        versions.StepInput,
        versions.ActivationInput,
        versions.RetirementInput,
        versions.PackRetirementInput,
        versions.SceneDaysInput,
        versions.Timeline,
        settlement.SettlementInput,
        settlement.SettlementView,
        settlement.DisputeInput,
        settlement.ResolutionInput,
        settlement.PaymentProposal,
        AuditList,
        AggregationList,
        FactorRowList,
        residents.PhoneCodeInput,
        residents.PhoneCodeAnswer,
        residents.SignInInput,
        residents.SessionAnswer,
        residents.PhoneNeededAnswer,
        residents.RefreshInput,
        residents.SessionList,
        residents.EndedAnswer,
        residents.SignInMethodInput,
        residents.SignInMethodAnswer,
        residents.ChildInput,
        residents.ChildView,
        residents.RealNameInput,
        residents.RealNameAnswer,
        webhooks.WebhookInput,
        webhooks.WebhookChange,
        webhooks.ReplayInput,
        webhooks.WebhookWithSecret,
        claims.ClaimInput,
        claims.ClaimBatchOutcome,
        claims.ClaimReleaseInput,
        claims.DisclosureInput,
        EvaluationInput,
        QuotaGrantInput,
        PaymentInput,
        PaymentBegun,
        redemption.OrderInput,
        redemption.RedemptionView,
        redemption.VerificationInput,
        redemption.MerchantRedemption,
        redemption.AcceptanceBatch,
        OfferInput,
    )
}
EXAMPLES = re.findall(
    r"<!-- (request|answer): (\w+)(?:\[\])?(?: invalid ([\d ]+))? -->\n```(?:json|ndjson)\n(.*?)```",
    API,
    re.DOTALL,
)
REQUESTS = [example for example in EXAMPLES if example[0] == "request"]
ANSWERS = [example for example in EXAMPLES if example[0] == "answer"]


def items_of(text: str) -> list[Any]:
    """The bodies of an example: one, those of an array, or one a line."""
    try:
        content = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]
    return content if isinstance(content, list) else [content]


def first(kind: str, model: str) -> Any:
    return next(items_of(text)[0] for found, name, _, text in EXAMPLES if (found, name) == (kind, model))


def blocks(page: str, heading: str, language: str) -> list[str]:
    section = page.split(f"\n## {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def test_every_json_example_says_what_it_is():
    assert len(EXAMPLES) == API.count("```json") + API.count("```ndjson") > 15


@pytest.mark.parametrize(("_", "model", "invalid", "text"), REQUESTS, ids=[e[1] for e in REQUESTS])
def test_a_request_fits_its_model(_, model, invalid, text):
    wrong = {int(index) for index in invalid.split()}
    for index, item in enumerate(items_of(text)):
        adapter = TypeAdapter(MODELS[model])
        if index in wrong:
            with pytest.raises(ValidationError):
                adapter.validate_json(json.dumps(item))
        else:
            adapter.validate_json(json.dumps(item))
        if "subject" in item:
            normalise(item["subject"]["scheme"], item["subject"]["value"])


@pytest.mark.parametrize(("_", "model", "__", "text"), ANSWERS, ids=[e[1] for e in ANSWERS])
def test_an_answer_is_what_its_model_writes(_, model, __, text):
    assert MODELS[model].model_validate_json(text).model_dump(mode="json") == json.loads(text)


async def test_the_examples_of_the_api_page_are_answered_as_it_says(city: City):
    operator, platform = await city.client("operator", "440000"), await city.client("platform")
    source = re.search(r'"source_id": "(org_\w+)"', API)
    assert source is not None

    def own(content: Any) -> Any:
        return json.loads(json.dumps(content).replace(source[1], platform.organisation_id))

    answer = await operator.post("/v1/operator/holders/batch", json=own(first("request", "HolderBatch")))
    item = answer.json()["items"][0]
    assert item == first("answer", "HolderBatchAnswer")["items"][0] | {"holder_id": item["holder_id"]}

    credited = (await platform.post("/v1/activities", json=first("request", "ActivityReport"))).json()
    told = first("answer", "ActivityOutcome")
    assert credited == told | {"activity_id": credited["activity_id"]}

    view = (await platform.get(f"/v1/activities/{credited['activity_id']}")).json()
    assert view == first("answer", "ActivityView") | {n: view[n] for n in ("activity_id", "booked_at")}

    batch = next(text for _, name, invalid, text in REQUESTS if name == "ActivityReport" and invalid)
    assert (await platform.post("/v1/activities/batch", json=json.loads(batch))).json() == first(
        "answer", "BatchOutcome"
    )
    lines = next(
        text for _, _, _, text in REQUESTS if text.count('{"event_id"') > 1 and "\n[" not in "\n" + text
    )
    answer = await platform.post(
        "/v1/activities/batch", content=lines, headers={"Content-Type": "application/x-ndjson"}
    )
    assert len([json.loads(line) for line in answer.text.splitlines()]) == len(lines.splitlines())

    english = {"Accept-Language": "en"}
    refused = await platform.post(
        "/v1/activities", json=first("request", "ActivityReport") | {"distance_m": -5}, headers=english
    )
    assert refused.json() == first("answer", "Problem")

    path = f"/v1/activities/{credited['activity_id']}/reversal"
    reversed_ = await platform.post(path, json=first("request", "ReversalRequest"))
    assert reversed_.json()["reversed_at"] is not None
    path = f"/v1/operator/holders/{item['holder_id']}/consents/withdrawal"
    withdrawn = await operator.post(path, json=own(first("request", "WithdrawalInput")))
    assert withdrawn.json() == first("answer", "WithdrawalAnswer")


@pytest.mark.skipif(not shutil.which("curl") or not shutil.which("bash"), reason="needs bash and curl")
async def test_the_walk_through_of_the_readme_runs_and_runs_again(
    base_url: str, settings: Settings, stack: Stack, database_urls: tuple[str, str], service: Services
):
    script = "\n".join(blocks(README, "Report your first activity", "bash"))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TANPUHUI_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_PROXY": "*",
        "TANPUHUI_URL": base_url,
        "TANPUHUI_ENVIRONMENT": "test",
        "TANPUHUI_DATA_DIR": str(settings.data_dir),
        "TANPUHUI_DATABASE_URL": database_urls[0],
        "TANPUHUI_REDIS_URL": stack.redis_url,
    }

    async def run() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-eu", "-o", "pipefail", "-c", script),
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, err.decode()
        text = out.decode()
        outcome, account, duplicate = (
            json.loads(line) for line in text.splitlines() if line.startswith('{"')
        )
        return outcome, account, duplicate, text

    outcome, account, duplicate, text = await run()
    assert (outcome["outcome"], outcome["co2e_g"], outcome["points"]) == ("credited", "467", 467)
    assert (account["open_co2e_g"], account["points"]) == ("467", 467)
    assert (duplicate["outcome"], duplicate["winner_id"]) == ("duplicate", outcome["activity_id"])
    assert '"formula": "distance_m × reduction_factor"' in text

    again, account_again, duplicate_again, _ = await run()
    assert again == outcome | {"replayed": True}
    assert duplicate_again == duplicate | {"replayed": True}
    assert account_again == account

    async with service.database.snapshot() as driver:
        found = [finding async for finding in verify(driver)]
    assert not [finding for finding in found if finding.breach is not None]
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.split("\n## Verify\n")[1].split("\n## ")[0]
    told = section.split("breaks a rule: ")[1].split(". ")[0]
    assert re.findall(r"`(\w+)`", told) == [finding.rule for finding in found]


async def test_the_roles_of_the_readme_are_enough_for_the_schema(stack: Stack):
    assert stack.postgres is not None
    name = "docs_" + uuid.uuid4().hex[:8]
    (script,) = blocks(README, "Configuration", "sql")
    script = script.replace("tanpuhui", name)
    administrator = stack.postgres.url("postgres", "postgres")
    connection = await asyncpg.connect(administrator)
    try:
        for statement in script.split(";"):
            if statement.strip():
                await connection.execute(statement)
    finally:
        await connection.close()
    place = administrator.partition("@")[2].replace("/postgres?", f"/{name}?")
    await migrate(f"postgresql://{name}_owner:change-me-1@{place}", f"{name}_service")
    driver = await asyncpg.connect(f"postgresql://{name}_service:change-me-2@{place}")
    try:
        async with driver.transaction(isolation="repeatable_read", readonly=True):
            assert not [finding async for finding in verify(driver) if finding.breach is not None]
    finally:
        await driver.close()
