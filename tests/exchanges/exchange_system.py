"""An exchange's own system for these tests: it takes signed instructions once, and signs what it did of a day."""

import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from lending.bank_system import BankSystem, unb64
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass
class ExchangeSystem(BankSystem):
    """`refuses` has kinds that it will not take; `statements` what it says of days."""

    refuses: set[str] = field(default_factory=set)
    statements: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: int = 0

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/oauth/token", self.token, methods=["POST"]),
                Route("/v1/instructions/{kind}", self._checked(self.instructed), methods=["POST"]),
                Route("/v1/statements/{day}", self._checked(self.stated), methods=["GET"]),
            ]
        )

    def opened(self, body: str) -> dict[str, Any]:
        """What we signed, by this side's own reading of it."""
        head, claims, signature = body.split(".")
        kid = json.loads(unb64(head))["kid"]
        Ed25519PublicKey.from_public_bytes(self.our_keys()[kid]).verify(
            unb64(signature), f"{head}.{claims}".encode()
        )
        told = json.loads(unb64(claims))
        assert (told["iss"], told["aud"]) == (self.ours, self.name)
        return dict(told)

    def answer(self, told: dict[str, Any]) -> dict[str, Any]:
        """What comes of an instruction; the same again is answered as the first time."""
        if told["kind"] in self.refuses:
            return {"in_reply_to": told["jti"], "status": "refused", "reference": ""}
        self.taken.setdefault(told["jti"], told)
        place = list(self.taken).index(told["jti"])
        return {"in_reply_to": told["jti"], "status": "accepted", "reference": f"X-{place}"}

    def instructed(self, request: Request, body: bytes) -> Response:
        told = self.opened(body.decode())
        self.told += 1
        assert request.headers["idempotency-key"] == told["jti"]
        assert request.path_params["kind"] == told["kind"]
        return self.signed(self.answer(told))

    def stated(self, request: Request, _body: bytes) -> Response:
        day = request.path_params["day"]
        if day not in self.statements:
            return JSONResponse({"error": "not_found"}, 404)
        return self.signed({"day": day, **self.statements[day]})

    def lines(self) -> list[dict[str, Any]]:
        """What it took, as a statement has it."""
        return [
            {
                "instruction": told["jti"],
                "kind": told["kind"],
                "reference": f"X-{place}",
                "quantity_kg": told["order"].get("quantity_kg"),
                "price_fen_per_t": told["order"].get("price_fen_per_t"),
            }
            for place, told in enumerate(self.taken.values())
        ]
