"""From a report to grams, points and reasons, over HTTP."""

from helpers import City, metro


async def test_a_trip_becomes_credit(city: City, phone: str) -> None:
    operator = await city.client("operator", "440000")
    source = await city.client("platform")
    holder = await city.holder(operator, phone, source)

    answer = await source.post("/v1/activities", json=metro("e1", phone, order_no="m-1"))
    assert answer.status_code == 200, answer.text
    credited = answer.json()
    assert (credited["outcome"], credited["co2e_g"], credited["points"]) == ("credited", "467", 467)

    resident = await city.resident(operator, holder)
    account = (await resident.get("/v1/me/account")).json()
    assert (account["open_co2e_g"], account["points"]) == ("467", 467)
    entries = (await resident.get("/v1/me/entries")).json()["items"]
    assert {entry["asset"] for entry in entries} == {"reduction", "points"}

    told = (await resident.get(f"/v1/activities/{credited['activity_id']}/explanation")).json()
    assert told["credited_co2e_g"] == "467"
    assert any(p["value"] == "46.7" for p in told["calculation"]["parameters"])

    again = await source.post("/v1/activities", json=metro("e1", phone, order_no="m-1"))
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == credited | {"replayed": True}
    other = await source.post("/v1/activities", json=metro("e1", phone, order_no="m-2"))
    assert (other.status_code, other.json()["code"]) == (409, "activity.event_id_conflict")

    path = f"/v1/activities/{credited['activity_id']}/reversal"
    reversed_ = await source.post(path, json={"reason": "refund"})
    assert reversed_.status_code == 200, reversed_.text
    assert reversed_.json()["reversed_at"] is not None
    assert (await source.post(path, json={"reason": "refund"})).json()["code"] == "activity.already_reversed"
    account = (await resident.get("/v1/me/account")).json()
    assert (account["open_co2e_g"], account["points"]) == ("0", 0)
    present = (await source.post("/v1/activities", json=metro("e1", phone, order_no="m-1"))).json()
    assert present["reversed_at"] is not None
    freed = (await source.post("/v1/activities", json=metro("e2", phone, order_no="m-1"))).json()
    assert freed["outcome"] == "credited"
