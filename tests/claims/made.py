"""Claims for tests: person keys of made-up people, and the bodies that platforms send."""

from typing import Any

from app.wiring import Services
from dedup.encoding import encoded


def person_key(service: Services, phone: str) -> str:
    """What a platform ends with after a blind evaluation."""
    return encoded(service.person_keys.person_key("phone", phone))


def ride(claim_id: str, key: str, **over: Any) -> dict[str, Any]:
    """A claim of a metro trip in Shenzhen on 2026-11-16, 08:00 to 08:25."""
    claim = {
        "claim_id": claim_id,
        "person_keys": [key],
        "scene": "trip.metro",
        "region": "440300",
        "started_at": "2026-11-16T08:00:00+08:00",
        "ended_at": "2026-11-16T08:25:00+08:00",
    }
    claim.update(over)
    return {name: value for name, value in claim.items() if value is not None}


def asked(claim: dict[str, Any]) -> dict[str, Any]:
    """The act of a claim, to be asked about."""
    return {name: value for name, value in claim.items() if name != "claim_id"}


def at(start: str, end: str) -> dict[str, str]:
    """A period of 2026-11-16, `08:00` to `08:25`."""
    return {"started_at": f"2026-11-16T{start}:00+08:00", "ended_at": f"2026-11-16T{end}:00+08:00"}
