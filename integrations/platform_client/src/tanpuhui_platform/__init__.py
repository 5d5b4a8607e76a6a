"""For platforms that keep their own accounts: blind person keys and claims at a Tanpuhui 碳普惠 service."""

from tanpuhui_platform.aio import AsyncPlatform
from tanpuhui_platform.client import Platform
from tanpuhui_platform.errors import (
    AnswerInvalid,
    IdentifierRefused,
    PlatformError,
    ProofRefused,
    ServiceRefused,
)
from tanpuhui_platform.protocol import Identifier, Key, encoded

__all__ = [
    "AnswerInvalid",
    "AsyncPlatform",
    "Identifier",
    "IdentifierRefused",
    "Key",
    "Platform",
    "PlatformError",
    "ProofRefused",
    "ServiceRefused",
    "encoded",
]
