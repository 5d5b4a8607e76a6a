"""What is sent and what is made of the answers, without any network: both clients share it."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tanpuhui_platform import oprf
from tanpuhui_platform.errors import AnswerInvalid, ProofRefused, ServiceRefused
from tanpuhui_platform.identifiers import identity_input, person_key_from_output

MAX_ELEMENTS: Final = 5_000
"""Most elements in one request."""
MAX_CLAIMS: Final = 5_000
"""Most claims in one JSON request; a stream takes more."""
NDJSON: Final = "application/x-ndjson"
Mode = Literal["voprf", "oprf"]


@dataclass(frozen=True, slots=True)
class Identifier:
    """What a platform knows a person by: ``phone``, ``id_no`` or ``uscc``. It never leaves the process."""

    scheme: str
    value: str = field(repr=False)
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the service, as it says itself."""

    key_id: str
    public: bytes
    state: str


def encoded(value: bytes) -> str:
    """Base64url without padding, as all bytes are sent."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decoded(text: Any) -> bytes:
    """The bytes of base64url without padding; ``AnswerInvalid``."""
    try:
        return base64.urlsafe_b64decode(str(text) + "=" * (-len(str(text)) % 4))
    except ValueError:
        raise AnswerInvalid("not base64url") from None


def keys_of(answer: Mapping[str, Any], trusted: frozenset[str]) -> list[Key]:
    """The keys of ``GET /v1/tokens/keys``, the present one first; only the trusted ones where any are named.

    A key id is a hash of the key, so that to trust the id is to trust the key.
    """
    found = []
    for item in answer.get("items", ()):
        key = Key(str(item["key_id"]), decoded(item["public_key"]), str(item["state"]))
        if key.key_id != "opk_" + hashlib.sha256(key.public).hexdigest()[:32]:
            raise AnswerInvalid("a key id is not that of its key")
        if not trusted or key.key_id in trusted:
            found.append(key)
    if not found:
        raise AnswerInvalid("no trusted key is live")
    return found


def blinded(identifiers: Sequence[Identifier]) -> list[oprf.Blinded]:
    """Blind identifiers, each with a fresh scalar. Raises ``IdentifierRefused``."""
    return [oprf.blind(identity_input(each.scheme, each.value, each.scope)) for each in identifiers]


def evaluation_request(batch: Sequence[oprf.Blinded], key: Key, mode: Mode) -> dict[str, Any]:
    """Body of ``POST /v1/tokens/evaluate``."""
    return {"elements": [encoded(each.element) for each in batch], "mode": mode, "key_id": key.key_id}


def person_keys_of(
    answer: Mapping[str, Any], batch: Sequence[oprf.Blinded], key: Key, mode: Mode
) -> list[bytes]:
    """Check the proof, unblind, and derive one person key (32 bytes) for each.

    Raises ``ProofRefused`` or ``AnswerInvalid``; nothing is taken from a bad batch.
    """
    evaluated = [decoded(each) for each in answer.get("evaluated", ())]
    if answer.get("key_id") != key.key_id or len(evaluated) != len(batch):
        raise AnswerInvalid("the answer is not to what was asked")
    if mode == "voprf":
        if answer.get("proof") is None:
            raise ProofRefused("the proof is missing")
        oprf.verify_proof(key.public, [each.element for each in batch], evaluated, decoded(answer["proof"]))
    return [
        person_key_from_output(oprf.finalize(each, element))
        for each, element in zip(batch, evaluated, strict=True)
    ]


def parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """The items in pieces of at most so many."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def refused(status: int, content: bytes, headers: Mapping[str, str], load: Any) -> ServiceRefused:
    """The error of an answer that is no success."""
    try:
        code = str(load(content)["code"])
    except (ValueError, KeyError, TypeError):
        code = "unknown"
    wait = headers.get("retry-after", "")
    return ServiceRefused(status, code, int(wait) if wait.isascii() and wait.isdigit() else None)


def answers(items: Any, count: int) -> list[dict[str, Any]]:
    """As many answers as were asked for; ``AnswerInvalid``."""
    if not isinstance(items, list) or len(items) != count:
        raise AnswerInvalid("not one answer for each item")
    return items


def lines_of(items: Iterable[Mapping[str, Any]], dump: Any) -> Iterator[bytes]:
    """NDJSON, a line at a time."""
    for item in items:
        yield dump(item).encode() + b"\n"
