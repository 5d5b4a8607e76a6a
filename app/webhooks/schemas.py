"""What callers send and see of webhooks."""

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.fields import Moment
from app.webhooks.targets import MAX_URL

Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_URL, pattern=r"^[\x21-\x7e]+$"),
    Field(description="https, on the public internet", examples=["https://shop.example/webhooks"]),
]
Description = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
EventTypes = Annotated[
    list[Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z_]+\.[a-z_]+$")]],
    Field(min_length=1, max_length=50),
]


class WebhookInput(BaseModel):
    """An endpoint to register."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    event_types: EventTypes
    description: Description = ""


class WebhookChange(WebhookInput):
    """What an endpoint is to be from now on."""

    enabled: bool = True


class RotationInput(BaseModel):
    """For how long the secret that counts now signs beside the new one."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(default=24, ge=0, le=168)


class ReplayInput(BaseModel):
    """Which deliveries to make again: by the time of their events, and by state."""

    model_config = ConfigDict(extra="forbid")

    since: Moment
    until: Moment
    states: list[Literal["dead", "delivered"]] = Field(default=["dead"], min_length=1, max_length=2)


class WebhookView(BaseModel):
    """An endpoint without its secret."""

    webhook_id: str = Field(description="`whk_…`")
    url: str
    description: str
    event_types: list[str]
    enabled: bool
    version: int = Field(description="For `If-Match`")
    created_at: datetime.datetime
    previous_secret_until: datetime.datetime | None = Field(
        description="Until when the secret before the last rotation signs too"
    )
    failing_since: datetime.datetime | None = Field(description="Since when no delivery has succeeded")
    disabled_at: datetime.datetime | None
    disabled_reason: str | None = Field(description="`by_caller`, `failing` or `gone`")


class WebhookWithSecret(WebhookView):
    """An endpoint with a secret that is shown this once."""

    secret: str | None = Field(
        description="`whsec_…`; null where the answer is repeated for the same Idempotency-Key"
    )


class WebhookList(BaseModel):
    """Endpoints of the caller's organisation, the oldest first."""

    items: list[WebhookView]
    next_cursor: str | None


class DeliveryView(BaseModel):
    """One event for one endpoint."""

    event_id: str = Field(description="`evt_…`, the `webhook-id` of every attempt")
    type: str
    subject: str
    time: datetime.datetime = Field(description="When it happened")
    state: str = Field(description="`pending`, `delivered` or `dead`")
    attempts: int
    next_attempt_at: datetime.datetime | None
    settled_at: datetime.datetime | None
    last_status: int | None
    last_error: str | None = Field(
        description="`timeout`, `connect`, `tls`, `protocol`, `target_refused` or `secret`"
    )
    last_answer: str | None = Field(description="Beginning of the last refusal's body")


class DeliveryList(BaseModel):
    """Deliveries of an endpoint, the latest event first."""

    items: list[DeliveryView]
    next_cursor: str | None


class ReplayAnswer(BaseModel):
    """How many deliveries are made again."""

    deliveries: int
