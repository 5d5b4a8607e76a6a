"""Every name on the pages exists in the code, and what the code has of its kind is on the pages."""

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest
import typer
from prometheus_client import Counter, Gauge, Histogram

from app import metrics
from app.api import claims, operator, platforms
from app.application import create_app
from app.auth.scopes import ALLOWED, DESCRIPTIONS
from app.claiming import decision as decision_of_claims
from app.claiming import prepare as claiming
from app.claiming.errors import ClaimUnprocessable
from app.claiming.service import CONFLICT as CLAIM_CONFLICT
from app.claiming.service import REJECTED
from app.cli import app as command_line
from app.crediting import decision, late, prepare
from app.crediting.corroboration_decision import AFTER_REVERSAL
from app.crediting.errors import Unprocessable
from app.crediting.models import Outcome
from app.crediting.precedence import TOOK_PRECEDENCE
from app.crediting.service import CONFLICT, MENDABLE, NO_CONSENT
from app.jobs.service import recurring
from app.problems import CODES
from app.review.repository import REJECTED_IN_REVIEW
from app.settings import KEY_FIELDS, Settings, variable
from dedup.person_key import IdentifierCode
from methodologies import load_catalogue

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (
        "README.md",
        "README.zh-CN.md",
        "docs/api.md",
        "docs/architecture.md",
        "docs/operations.md",
        "docs/formulas.md",
        "docs/plugins.md",
        "docs/backtest.md",
        "docs/residents.md",
        "docs/webhooks.md",
        "docs/payments.md",
        "docs/redemption.md",
        "docs/settlement.md",
        "docs/my-data.md",
        "docs/account.md",
        "docs/claims.md",
        "docs/neighbours.md",
        "docs/dedup.md",
        "docs/review.md",
        "docs/labels.md",
        "docs/enterprises.md",
        "docs/alerts.md",
        "docs/banks.md",
        "docs/loans.md",
        "docs/offsets.md",
        "docs/exchanges.md",
        "docs/scores.md",
        "docs/load-shedding.md",
        "docs/emissions.md",
        "docs/metering.md",
        "docs/events.md",
        "docs/certificates.md",
        "docs/units.md",
        "docs/projects.md",
    )
}
ENGLISH, CHINESE = PAGES["README.md"], PAGES["README.zh-CN.md"]
READMES = pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=["README.md", "README.zh-CN.md"])
API, OPERATIONS = PAGES["docs/api.md"], PAGES["docs/operations.md"]
NAMES = re.compile(r"`([^`]+)`")


def section(page: str, heading: str) -> str:
    return page.split(f"\n## {heading}\n")[1].split("\n## ", maxsplit=1)[0]


def rows(text: str) -> list[list[str]]:
    """Cells of the tables of a text, without heads and rules."""
    lines = text.splitlines()
    tables = [
        [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("| ") else None
        for line in lines
    ]
    return [
        cells
        for index, cells in enumerate(tables)
        if cells is not None and not (index + 1 < len(lines) and lines[index + 1].startswith("|---"))
    ]


def names(text: str) -> list[str]:
    return NAMES.findall(text)


def commands() -> dict[str, set[str]]:
    """Command → its options."""
    found = {}
    group = typer.main.get_command(command_line)
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        inner = getattr(command, "commands", None)
        for path, leaf in (
            [(f"{name} {sub}", leaf) for sub, leaf in inner.items()] if inner else [(name, command)]
        ):
            found[path] = {option for parameter in leaf.params for option in parameter.opts}
    return found


def targets() -> dict[str, str]:
    """Target of the Makefile → its recipe."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)*)", text, re.MULTILINE))


# The READMEs


def test_both_readmes_have_the_same_shape():
    shape = re.compile(r"^(#+) ", re.MULTILINE)
    fences = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    assert fences.findall(ENGLISH) == fences.findall(CHINESE)
    without = [fences.sub("", page) for page in (ENGLISH, CHINESE)]
    assert shape.findall(without[0]) == shape.findall(without[1])
    first_cells = [[cells[0] for cells in rows(page)] for page in without]
    assert first_cells[0] == first_cells[1]


@READMES
def test_commands_of_the_readme_exist(page):
    known = commands()
    listed = set()
    for cells in rows(page):
        name = cells[0].strip("`")
        if name.startswith("make "):
            for command in re.findall(r"/tanpuhui ([a-z]+)", targets()[name.removeprefix("make ")]):
                assert command in known
        elif name.startswith("tanpuhui "):
            command = name.removeprefix("tanpuhui ")
            listed.add(command)
            assert set(re.findall(r"--[a-z-]+", cells[1])) <= known[command]
    assert listed == known.keys()
    for text in PAGES.values():
        for used in re.findall(r"`make ([a-z-]+)", text):
            assert used in targets()
        for used in re.findall(
            r"`tanpuhui ((?:(?:clients|methodologies|recalculations|audit|ranks|scores|banks|exchanges|neighbours"
            r"|person-keys|claims|market) )?"
            r"[a-z-]+)",
            text,
        ):
            assert used in known


def test_options_of_the_replay_exist():
    used = set(re.findall(r"--[a-z-]+", section(ENGLISH, "Replay real files")))
    assert used <= commands()["replay"]


def test_what_the_status_denies_is_not_there():
    """Goes red when it comes: then the pages have to tell of it."""
    audiences = {path.split("/")[2] for path in create_app().openapi()["paths"] if path.startswith("/v1/")}
    assert audiences == {
        "activities",
        "aggregation",
        "platform-quality",
        "operator",
        "me",
        "merchant",
        "methodologies",
        "factors",
        "ledger",
        "disputes",
        "webhooks",
        "payments",
        "consent-texts",
        "mandate-terms",
        "bindings",
        "certificates",
        "claims",
        "tokens",
        "neighbour",
        "bank",
        "reports",
        "enterprises",
        "market",
        "auctions",
        "reference-prices",
        "score-cards",
        "offset-rules",
        "offset-recognition",
        "public",
        "issuances",
        "verifier",
    }
    assert not [m for m in load_catalogue(demonstration=True).methodologies if m.issuable]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere_and_nothing_names_a_machine(name):
    text = PAGES[name]
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (ROOT / name).parent.joinpath(target).exists(), target
    assert not re.search(r"(^|[^\w.])/(work|home|root|tmp|usr)/|pypi|simple/", text)


# docs/api.md


def test_doors():
    told = set(
        re.findall(
            r"`((?:GET|POST|PUT|DELETE) /\S*?)`", "\n".join(c[0] for c in rows(section(API, "At all doors")))
        )
    )
    paths = create_app().openapi()["paths"]
    assert told - {"GET /metrics"} == {f"{m.upper()} {path}" for path in paths for m in paths[path]}
    for cells in rows(section(API, "At all doors")):
        for door in names(cells[0]):
            method, _, path = door.partition(" ")
            security = paths.get(path, {}).get(method.lower(), {}).get("security", [])
            scopes = {scope for each in security for scope in each["oauth2"]}
            if "the same" not in cells[2] and path != "/oauth/token":
                assert set(names(cells[2])) == scopes, door


def test_scopes():
    told = {names(cells[0])[0]: cells[1:] for cells in rows(section(API, "Tokens, scopes and keys"))}
    assert {scope: cells[1] for scope, cells in told.items()} == DESCRIPTIONS
    for kind, allowed in ALLOWED.items():
        assert {scope for scope, cells in told.items() if cells[0] == kind.value} == set(allowed)


def test_reasons():
    text = {module: inspect.getsource(module) for module in (prepare, decision, platforms)}
    engine = (ROOT / "methodologies" / "codegen.py").read_text(encoding="utf-8")
    open_ = {NO_CONSENT.reason, CONFLICT.reason, Unprocessable.code.rpartition(".")[2], "invalid", *MENDABLE}
    found = set(re.findall(r'refusal = "(\w+)"', text[prepare]))
    parts = set(re.findall(r'"([a-z_]+)"', inspect.getsource(prepare.missing_of).partition('"""')[2])) - {
        "act"
    }
    found |= {f"missing_{part}" for part in parts}
    for refusing in (prepare._refusal, prepare._implausible):
        found |= set(re.findall(r'return "(\w+)"', inspect.getsource(refusing)))
    found |= set(re.findall(r'\.reason = (?:None if full else )?"(\w+)"', text[decision])) - {"claimed_"}
    engine += (ROOT / "methodologies" / "rules.py").read_text(encoding="utf-8")
    found |= set(re.findall(r"\b(?:missing_input|input_out\w+|implausible_\w+|negative_reduction)\b", engine))
    found |= set(re.findall(r"\b(?:unknown_kind|no_table_value|rule_failed)\b", engine))
    found |= {
        f"claimed_{claim.rule}"
        for methodology in load_catalogue(demonstration=True).methodologies
        for claim in methodology.claims
    }
    found |= {late.MOVED, REJECTED_IN_REVIEW, AFTER_REVERSAL, TOOK_PRECEDENCE}
    found |= set(re.findall(r'\.reason = Outcome\.DUPLICATE, "(\w+)"', text[decision]))
    found |= set(re.findall(r'^HELD = "(\w+)"', text[decision], re.MULTILINE))
    assert '_rejected(item[0], "invalid"' in text[platforms]
    told = {}
    tables = rows(section(API, "Outcomes and reasons"))
    for cells in tables:
        if len(cells) == 4:
            told |= dict.fromkeys(names(cells[0]), cells[1:3])
    assert told.keys() == found | open_
    assert {name for name, (_, final) in told.items() if final == "no"} == open_
    assert {names(cells[0])[0] for cells in tables if len(cells) == 2} == {each.value for each in Outcome}


def test_reasons_of_claims():
    text = inspect.getsource(claiming)
    found = set(re.findall(r'return "(\w+)"', inspect.getsource(claiming._refusal)))
    found |= set(re.findall(r'refusal = "(\w+)"', text)) | {CLAIM_CONFLICT.reason, "invalid", "claimed_…"}
    parts = re.findall(r'"([a-z_]+)"', inspect.getsource(prepare.missing_of).partition('"""')[2])
    found |= {f"missing_{part}" for part in parts if part != "act"}
    found |= {each.code.rpartition(".")[2] for each in (ClaimUnprocessable, *claims._AWAY)}
    tables = rows(section(API, "Claim acts for accounts of one's own"))
    assert {name for cells in tables if len(cells) == 3 for name in names(cells[0])} == found
    told = {names(cells[0])[0] for cells in tables if len(cells) == 2}
    assert told == {decision_of_claims.CLAIMED, decision_of_claims.DUPLICATE, REJECTED}


def test_onboarding_errors():
    text = inspect.getsource(operator) + (ROOT / "accounts" / "onboarding.py").read_text(encoding="utf-8")
    found = set(re.findall(r'error = (?:error or |None if .* else )?"(\w+)"', text))
    told = {name for cells in rows(section(API, "Onboard holders")) for name in names(cells[0])}
    assert told == found | set(get_args(IdentifierCode))


def test_error_codes():
    told = {names(cells[0])[0]: int(cells[1]) for cells in rows(section(API, "Errors"))}
    assert told == {code: row[0] for code, row in CODES.items()}


# docs/operations.md


def test_settings():
    table = {names(cells[0])[0]: cells[1] for cells in rows(section(OPERATIONS, "Settings"))}
    assert table.keys() == {variable(field) for field in Settings.model_fields}
    for field, info in Settings.model_fields.items():
        if variable(field) in table:
            default = str(getattr(info.default, "value", info.default)).lower()
            wanted = "generated" if field in KEY_FIELDS else default
            assert table[variable(field)].strip("`") == wanted, field
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "app").rglob("*.py")
        if path.name != "settings.py"
    )
    read = rf"settings\.({'|'.join(Settings.model_fields)})\b"
    derived = {
        "environment",
        "allow_embedded_in_production",
        "archive_dir",
        "issuance_dir",
    }  # read by the settings themselves
    assert set(re.findall(read, code)) | derived == set(Settings.model_fields)


@pytest.mark.parametrize("name", PAGES)
def test_variables_exist(name):
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "app" / "commands").glob("*.py"))
    known = {variable(field) for field in Settings.model_fields} | set(re.findall(r"TANPUHUI_[A-Z_]+", code))
    # The walk-through's own.
    known |= set(re.findall(r"export (TANPUHUI_[A-Z_]+)=", PAGES[name]))
    assert set(re.findall(r"TANPUHUI_[A-Z_]+", PAGES[name])) <= known


def test_metrics():
    told = {names(cells[0])[0]: names(cells[1]) for cells in rows(section(OPERATIONS, "Health and metrics"))}
    found = {
        each.describe()[0].name + ("_total" if isinstance(each, Counter) else ""): list(each._labelnames)
        for each in vars(metrics).values()
        if isinstance(each, Counter | Gauge | Histogram)
    }
    assert told == found


def test_jobs():
    told = [names(cells[0])[0] for cells in rows(section(OPERATIONS, "Jobs"))]
    assert told == [job.name for job in recurring(None)]


def test_tables():
    versions = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    script = "".join(path.read_text(encoding="utf-8") for path in versions)
    made = set(re.findall(r"^CREATE TABLE (\w+)", script, re.MULTILINE))
    partitioned = set(re.findall(r"CREATE TABLE (\w+) \([^;]*\) PARTITION BY", script))
    told = {
        name: cells[2] != "none" and not cells[2].startswith("none")
        for cells in rows(section(PAGES["docs/architecture.md"], "Tables"))
        for name in names(cells[0])
    }
    assert told.keys() == made
    assert {name for name, split in told.items() if split} == partitioned
