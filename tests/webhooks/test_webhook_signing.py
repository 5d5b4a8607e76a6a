"""Signatures as published, and secrets that only their endpoint opens."""

import base64
import datetime
import uuid

import pytest
from cryptography.exceptions import InvalidTag
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.webhooks.delivery import body_of, pause_after
from app.webhooks.signing import SecretBox, new_secret, shown, sign

# The example that the documentation of Standard Webhooks and its libraries publish.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, TIMESTAMP, PAYLOAD = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example() -> None:
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))
    assert shown(secret) == SECRET
    assert sign([secret], MESSAGE, TIMESTAMP, PAYLOAD) == SIGNATURE


def test_the_official_library_accepts_ours_and_nothing_altered() -> None:
    first, second = new_secret(), new_secret()
    now = datetime.datetime.now(datetime.UTC)
    body = body_of("evt_1", "activity.credited", now, '{"activity_id":"act_1"}')
    stamp = int(now.timestamp())
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign([first, second], "evt_1", stamp, body),
    }
    for secret in (first, second):
        assert Webhook(shown(secret)).verify(body, headers)["data"] == {"activity_id": "act_1"}
    for altered in (
        (body + b" ", headers),
        (body, headers | {"webhook-id": "evt_2"}),
        (body, headers | {"webhook-timestamp": str(stamp - 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(shown(first)).verify(*altered)
    with pytest.raises(WebhookVerificationError):
        Webhook(shown(new_secret())).verify(body, headers)


def test_a_stored_secret_is_its_endpoints_alone() -> None:
    box, endpoint, secret = SecretBox(b"k" * 32), uuid.uuid4(), new_secret()
    sealed = box.seal(endpoint, secret)
    assert secret not in sealed
    assert sealed != box.seal(endpoint, secret)
    assert box.open(endpoint, sealed) == secret
    with pytest.raises(InvalidTag):
        box.open(uuid.uuid4(), sealed)
    with pytest.raises(InvalidTag):
        SecretBox(b"l" * 32).open(endpoint, sealed)


def test_twelve_attempts_span_days() -> None:
    """What the page promises: pauses three times longer each time, at most a day, ± 20 %."""
    means = [5 * 3**n for n in range(8)] + [32_805, 86_400, 86_400]
    for attempts, mean in enumerate(means, 1):
        waits = [pause_after(attempts, 5).total_seconds() for _ in range(200)]
        assert 0.8 * mean <= min(waits) < mean < max(waits) <= 1.2 * mean
    assert 2 < sum(means) / 86_400 < 3
