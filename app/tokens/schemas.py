"""Blind evaluation as platforms ask for it: base64url without padding (RFC 4648) for all bytes."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.fields import Bytes32

MAX_ELEMENTS = 5_000
ELEMENT_EXAMPLE = "hj8zDMGhJZ7VpZmKI6z9N_tDUaeTpbPAkLZC3cQ5uUU"


class EvaluationInput(BaseModel):
    """Blinded elements of a platform. Nothing in them tells who is meant."""

    model_config = ConfigDict(extra="forbid")

    elements: Annotated[list[Bytes32], Field(min_length=1, max_length=MAX_ELEMENTS)] = Field(
        description="Serialised elements of ristretto255 (RFC 9496), 32 bytes each",
        examples=[[ELEMENT_EXAMPLE]],
    )
    mode: Literal["voprf", "oprf"] = Field(
        default="voprf",
        description="`voprf` proves by which key; `oprf` leaves the proof out, for half the work",
    )
    key_id: Annotated[str, StringConstraints(pattern=r"^opk_[0-9a-f]{32}$")] | None = Field(
        default=None, description="One of `GET /v1/tokens/keys`; the present one where absent"
    )


class EvaluationAnswer(BaseModel):
    """The elements evaluated, in their order, and one proof for all of them."""

    key_id: str
    evaluated: list[str] = Field(description="32 bytes each")
    proof: str | None = Field(description="DLEQ proof (RFC 9497, 2.2), 64 bytes; null without one")


class EvaluationKey(BaseModel):
    """A key that evaluates."""

    key_id: str
    suite: Literal["ristretto255-SHA512"] = "ristretto255-SHA512"
    public_key: str = Field(description="Element that proofs are checked with, 32 bytes")
    state: Literal["present", "next", "federation"] = Field(
        description="`next`: claims carry its person key beside the present one's, and it will take over; "
        "`federation`: evaluates for neighbouring deployments alone"
    )


class EvaluationKeyList(BaseModel):
    """The live keys, the present one first."""

    items: list[EvaluationKey]
