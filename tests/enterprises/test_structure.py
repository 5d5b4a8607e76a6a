"""Sites, lines and meters of an enterprise, from its onboarding to the removal of a meter."""

import asyncio

import pytest
import pytest_asyncio
from enterprises.plant import Plant, made_plant, uscc
from helpers import City

from accounts.enterprises.carriers import Carrier
from accounts.enterprises.industries import DIVISIONS, is_industry_code

NEW = {"carrier": "electricity", "installed_at": "2026-01-01T00:00:00+08:00"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def plant(city: City) -> Plant:
    return await made_plant(city)


def test_sections_of_the_industry_standard_share_no_division():
    found = [division for divisions in DIVISIONS.values() for division in divisions]
    assert found == list(range(1, 98))


@pytest.mark.parametrize(
    ("code", "fits"),
    [
        ("C3130", True),
        ("C31", True),
        ("C313", True),
        ("D4411", True),
        ("T9700", True),
        ("C4411", False),
        ("A0111", True),
        ("A0600", False),
        ("U9800", False),
        ("C", False),
        ("C3", False),
        ("c3130", False),
        ("C31300", False),
    ],
)
def test_an_industry_code_fits_its_section(code: str, fits: bool):
    assert is_industry_code(code) == fits


def test_units_of_carriers_are_the_ends_of_their_fields():
    assert {carrier.field: carrier.unit for carrier in Carrier} == {
        "energy_wh": "wh",
        "volume_l": "l",
        "mass_g": "g",
        "heat_kj": "kj",
    }


async def test_a_holder_that_is_there_already_becomes_the_enterprise(city: City):
    operator = await city.client("operator", "330000")
    code = uscc(9_000_001)
    holder = {"kind": "organisation", "region": "330800", "identities": [{"scheme": "uscc", "value": code}]}
    known = (await operator.post("/v1/operator/holders/batch", json={"holders": [holder]})).json()
    plant = await made_plant(city, operator, uscc=code.lower())
    assert plant.enterprise_id == known["items"][0]["holder_id"]
    again = {
        "uscc": code,
        "name": "x",
        "domain": "industry",
        "industry_code": "C31",
        "region": "330800",
    }
    answer = await operator.post("/v1/operator/enterprises", json=again)
    assert (answer.status_code, answer.json()["code"]) == (409, "enterprise.exists")
    elsewhere = await city.client("operator", "440000")
    answer = await elsewhere.post("/v1/operator/enterprises", json=again | {"region": "440300"})
    assert (answer.status_code, answer.json()["code"]) == (403, "enterprise.out_of_region")
    assert (await elsewhere.get(f"/v1/operator/enterprises/{plant.enterprise_id}")).status_code == 404


async def test_the_code_of_a_person_makes_no_enterprise(city: City):
    operator = await city.client("operator", "330000")
    code = uscc(9_000_002)
    person = {"kind": "person", "region": "330800", "identities": [{"scheme": "uscc", "value": code}]}
    await operator.post("/v1/operator/holders/batch", json={"holders": [person]})
    body = {"uscc": code, "name": "x", "domain": "residential", "region": "330800"}
    answer = await operator.post("/v1/operator/enterprises", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "enterprise.not_organisation")


@pytest.mark.parametrize(
    "over",
    [
        {"domain": "mining"},
        {"industry_code": None},
        {"industry_code": "C4411"},
        {"uscc": "913308000000000000"},
        {"name": ""},
        {"owner": "x"},
    ],
)
async def test_what_no_enterprise_is(plant: Plant, over: dict[str, object]):
    body = {
        "uscc": uscc(9_000_003),
        "name": "x",
        "domain": "industry",
        "industry_code": "C31",
        "region": "330800",
    }
    answer = await plant.operator.post("/v1/operator/enterprises", json=body | over)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


async def test_only_its_operator_edits_what_it_is(plant: Plant):
    path = f"/v1/operator/enterprises/{plant.enterprise_id}"
    seen = (await plant.client.get("/v1/enterprises/profile")).json()
    assert seen == (await plant.operator.get(path)).json()
    body = {"name": "新名", "domain": "energy", "industry_code": "D4411"}
    assert (await plant.client.request("PUT", path, json=body)).status_code == 403
    assert (await plant.operator.request("PUT", path, json=body)).status_code == 428
    version = {"If-Match": str(seen["version"])}
    changed = await plant.operator.request("PUT", path, json=body, headers=version)
    assert changed.json() == seen | body | {"version": seen["version"] + 1}
    assert (await plant.operator.request("PUT", path, json=body, headers=version)).status_code == 412
    listed = (await plant.operator.get("/v1/operator/enterprises?limit=200")).json()["items"]
    assert changed.json() in listed


async def test_a_meter_hangs_at_a_site_and_perhaps_a_line(plant: Plant):
    found = (await plant.client.get("/v1/enterprises/meters")).json()["items"]
    by_number = {meter["number"]: meter for meter in found}
    assert by_number["E-L1"]["line_id"] == plant.line_id
    assert by_number["E-IN"]["unit_field"] == "energy_wh"
    assert by_number["G-1"]["unit_field"] == "volume_l"
    of_line = (await plant.client.get(f"/v1/enterprises/meters?line_id={plant.line_id}")).json()["items"]
    assert [meter["number"] for meter in of_line] == ["E-L1"]
    of_carrier = (await plant.client.get("/v1/enterprises/meters?carrier=gas")).json()["items"]
    assert [meter["number"] for meter in of_carrier] == ["G-1"]
    site = (await plant.client.post("/v1/enterprises/sites", json={"name": "x", "region": "330800"})).json()
    body = NEW | {"site_id": site["site_id"], "line_id": plant.line_id, "number": "elsewhere"}
    answer = await plant.client.post("/v1/enterprises/meters", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "enterprise.line_not_found")


@pytest.mark.parametrize(
    "over",
    [
        {"carrier": "coal", "flow": "generation"},
        {"carrier": "gas", "flow": "export"},
        {"register_max": 10**9},
        {"register_max": 0, "reading": "cumulative"},
        {"number": "有"},
        {"number": ""},
        {"installed_at": "2026-01-01"},
        {"register_max": "5", "reading": "cumulative"},
    ],
)
async def test_what_no_meter_is(plant: Plant, over: dict[str, object]):
    body = NEW | {"site_id": plant.site_id, "number": "never"} | over
    answer = await plant.client.post("/v1/enterprises/meters", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


async def test_an_edit_names_the_version_that_was_read(plant: Plant):
    for kind, body in (
        ("sites", {"name": "东", "region": "330802"}),
        ("lines", {"name": "2号"}),
        ("meters", {"counts": False}),
    ):
        made = {
            "sites": {"name": "西", "region": "330800"},
            "lines": {"site_id": plant.site_id, "name": "3号"},
            "meters": NEW | {"site_id": plant.site_id, "number": "edited"},
        }[kind]
        shown = (await plant.client.post(f"/v1/enterprises/{kind}", json=made)).json()
        path = f"/v1/enterprises/{kind}/{shown[kind[:-1] + '_id']}"
        assert (await plant.client.request("PUT", path, json=body)).status_code == 428
        answers = await asyncio.gather(
            *(plant.client.request("PUT", path, json=body, headers={"If-Match": "1"}) for _ in range(5))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
        changed = (await plant.client.get(path)).json()
        assert changed == shown | body | {"version": 2}


async def test_what_was_removed_stays_and_does_not_change(plant: Plant):
    meter = await plant.meter(number="old", reading="cumulative", register_max=10**9)
    path = f"/v1/enterprises/meters/{meter['meter_id']}"
    first = {"If-Match": "1"}
    too_early = {"removed_at": "2017-12-31T00:00:00+08:00"}
    answer = await plant.client.post(path + "/removal", json=too_early, headers=first)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    body = {"removed_at": "2026-02-01T00:00:00+08:00"}
    removed = await plant.client.post(path + "/removal", json=body, headers=first)
    assert removed.json() == meter | {"removed_at": "2026-01-31T16:00:00Z", "version": 2}
    second = {"If-Match": "2"}
    for answer in (
        await plant.client.post(path + "/removal", json=body, headers=second),
        await plant.client.request("PUT", path, json={}, headers=second),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "enterprise.meter_removed")
    assert (await plant.client.get(path)).json() == removed.json()


async def test_a_number_is_entered_once_however_many_ask(plant: Plant):
    body = NEW | {"site_id": plant.site_id, "number": "once"}
    answers = await asyncio.gather(
        *(plant.client.post("/v1/enterprises/meters", json=body) for _ in range(12))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 11
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"enterprise.meter_number_taken"}
    other = await made_plant(plant.city, plant.operator, meters=())
    assert (await other.meter(number="once"))["number"] == "once"


async def test_lists_go_page_by_page(city: City):
    plant = await made_plant(city, meters=())
    for number in range(5):
        await plant.meter(number=f"m{number}")
        await plant.client.post(
            "/v1/enterprises/lines", json={"site_id": plant.site_id, "name": f"l{number}"}
        )
        await plant.client.post("/v1/enterprises/sites", json={"name": f"s{number}", "region": "330800"})
    for kind, total in (("meters", 5), ("lines", 6), ("sites", 6)):
        found, cursor = [], ""
        while cursor is not None:
            page = (
                await plant.client.get(f"/v1/enterprises/{kind}?limit=2{cursor and '&cursor=' + cursor}")
            ).json()
            assert len(page["items"]) <= 2
            found += [item[kind[:-1] + "_id"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert found == sorted(set(found))
        assert len(found) == total
        assert (await plant.client.get(f"/v1/enterprises/{kind}?cursor=act_{'0' * 32}")).status_code == 422


async def test_an_enterprise_sees_nothing_of_another(plant: Plant):
    other = await made_plant(plant.city, plant.operator, meters=())
    meter = plant.meters["E-IN"]
    edit = {"json": {"counts": False}, "headers": {"If-Match": "1"}}
    for method, path, body in (
        ("GET", f"sites/{plant.site_id}", {}),
        ("GET", f"lines/{plant.line_id}", {}),
        ("GET", f"meters/{meter}", {}),
        ("PUT", f"meters/{meter}", edit),
        ("POST", "lines", {"json": {"site_id": plant.site_id, "name": "x"}}),
        ("POST", "meters", {"json": NEW | {"site_id": plant.site_id, "number": "x"}}),
    ):
        answer = await other.client.request(method, f"/v1/enterprises/{path}", **body)
        assert answer.status_code == 404, (method, path)
    assert (await other.client.get("/v1/enterprises/meters")).json()["items"] == []
    of_other = await other.client.get(f"/v1/enterprises/lines?site_id={plant.site_id}")
    assert of_other.json()["items"] == []


async def test_a_repeated_write_answers_the_same(plant: Plant):
    body = NEW | {"site_id": plant.site_id, "number": "repeated"}
    key = {"Idempotency-Key": "k1"}
    first = await plant.client.post("/v1/enterprises/meters", json=body, headers=key)
    again = await plant.client.post("/v1/enterprises/meters", json=body, headers=key)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await made_plant(plant.city, plant.operator, meters=())
    foreign = await other.client.post(
        "/v1/enterprises/sites", json={"name": "x", "region": "330800"}, headers=key
    )
    assert "Idempotent-Replayed" not in foreign.headers


async def test_roles_may_what_they_may(plant: Plant):
    site = {"name": "x", "region": "330800"}
    for role, reads, writes in (("viewer", 200, 403), ("energy_manager", 200, 200), ("owner", 200, 200)):
        speaker = await plant.speaker(role)
        assert (await speaker.get("/v1/enterprises/profile")).status_code == reads
        assert (await speaker.post("/v1/enterprises/sites", json=site)).status_code == writes
        assert (await speaker.get("/v1/me/account")).status_code == 403


async def test_the_audit_trail_tells_who_changed_what(plant: Plant):
    meter = await plant.meter(number="audited")
    path = f"/v1/enterprises/meters/{meter['meter_id']}"
    await plant.client.request("PUT", path, json={"counts": False}, headers={"If-Match": "1"})
    trail = await plant.operator.get(f"/v1/operator/audit?target_id={meter['meter_id']}")
    records = trail.json()["items"]
    assert [record["action"] for record in records] == ["enterprise.meter_changed", "enterprise.meter_added"]
    assert records[0]["before"] == meter
    assert records[0]["after"]["counts"] is False
