"""For each door of exchanges something real to be asked for, so that made-up calls reach a success."""

from pathlib import Path
from typing import Any

from exchanges.exchange_system import ExchangeSystem
from exchanges.town import DOOR, REASON, Town
from offsets.firm import Firm


async def known_exchanges(firm: Firm) -> dict[tuple[str, str], Any]:
    """(method, path) → path parameters, body and version. The firm's first operator asks; nothing is ever told."""
    town = Town(firm.city, firm, ExchangeSystem("knownex"), Path("/nonexistent"))
    await town.connect()
    await town.http.aclose()
    spare = await firm.city.client("participant", "440300")
    own = await town.staged("open_account", account_id=await town.account_id(spare))
    # What the second operator staged, for the first to approve.
    third = await firm.city.client("participant", "440300")
    order = {"exchange": "knownex", "kind": "open_account", "account_id": await town.account_id(third)}
    theirs = (await firm.two.post(DOOR, json={"order": order})).json()["instruction_id"]
    fresh = order | {"account_id": await town.account_id()}
    return {
        ("GET", DOOR): ({}, None, None),
        ("POST", DOOR): ({}, {"order": fresh}, None),
        ("GET", DOOR + "/{instruction_id}"): ({"instruction_id": own}, None, None),
        ("POST", DOOR + "/{instruction_id}/approval"): ({"instruction_id": theirs}, REASON["json"], None),
        ("POST", DOOR + "/{instruction_id}/withdrawal"): ({"instruction_id": own}, REASON["json"], None),
        ("GET", "/v1/operator/exchange-differences"): ({}, None, None),
        ("GET", "/v1/operator/cad-trust-units"): ({}, None, None),
    }
