"""docs/enterprises.md: its examples are sent as they stand there, in their order, and its tables are the code's."""

import json
import re
from pathlib import Path

import pytest
from enterprises.plant import client_of
from helpers import City

from accounts.enterprises import members, service
from accounts.enterprises.carriers import FLOWS, Carrier
from accounts.enterprises.industries import Domain
from accounts.enterprises.roles import Role
from app.api.enterprise_members import MAX_CLIENTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "enterprises.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"<!-- (\w+) (POST|PUT) (\S+)(?: If-Match (\d+))? -->\n```json\n(.*?)```", PAGE, re.DOTALL
)


def filled(text: str, ids: dict[str, str]) -> str:
    """A text with `sit_…` and its like replaced by the latest id of that kind."""
    return re.sub(r"(\w{3})_…", lambda found: ids[found[1]], text)


async def test_the_examples_run_in_their_order(city: City, phone: str) -> None:
    operator = await city.client("operator", "330000")
    holder_id = await city.holder(operator, phone, region="330800")
    who = {"operator": operator, "resident": await city.signed_in(holder_id)}
    ids: dict[str, str] = {}
    code = ""
    assert len(EXAMPLES) == 13
    for speaker, method, path, version, text in EXAMPLES:
        if speaker == "client" and "client" not in who:
            who["client"] = await client_of(city, ids["hld"])
        body = json.loads(filled(text.replace("hld_resident", holder_id), ids)) | (
            {"code": code} if path.endswith("/join") else {}
        )
        headers = {"If-Match": version} if version else {}
        answer = await who[speaker].request(method, filled(path, ids), json=body, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        told = answer.json()
        ids |= {
            value.partition("_")[0]: value
            for name, value in told.items()
            if name.endswith("_id") and isinstance(value, str)
        }
        code = told.get("code") or code


def rows(head: str) -> list[list[str]]:
    table = PAGE.split(f"\n| {head} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in table]


def test_the_tables_are_those_of_the_code() -> None:
    assert [cells[0] for cells in rows("`domain`")] == [each.value for each in Domain]
    assert {cells[0]: cells[1] for cells in rows("`carrier`")} == {each.value: each.field for each in Carrier}
    assert [cells[0] for cells in rows("`flow`")] == [each.value for each in FLOWS]
    assert [cells[0] for cells in rows("role")] == [each.value for each in reversed(Role)]


@pytest.mark.parametrize(
    "sentence",
    [
        f"at most {service.MAX_SITES} sites, {service.MAX_LINES:,} lines and {service.MAX_METERS:,} meters",
        f"at most {members.MAX_MEMBERSHIPS}; an enterprise",
        f"at most {members.MAX_MEMBERS} members and {members.MAX_INVITATIONS} invitations",
        f"at most {MAX_CLIENTS} that are enabled",
    ],
)
def test_the_limits_are_those_of_the_code(sentence: str) -> None:
    assert sentence in PAGE
