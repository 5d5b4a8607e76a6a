"""Errors of the domain. They know a stable code and no HTTP; `app.problems` maps codes to status and text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """Where an input is wrong: a JSON pointer (RFC 6901) and a reason code or sentence without its value.

    `reason_zh` is the sentence in Chinese, where there is one.
    """

    pointer: str
    reason: str
    reason_zh: str = ""


class DomainError(Exception):
    """Something that a caller is told of, by its stable dotted code."""

    code = "internal"
    recorded = False
    """Whether what was written before it is kept: the refusal itself is written down."""

    def __init__(self, *faults: Fault, retry_after_s: int | None = None) -> None:
        super().__init__(self.code)
        self.faults = faults
        self.retry_after_s = retry_after_s


class NotFound(DomainError):
    """Not there, or not the caller's."""

    code = "not_found"


class HolderNotFound(NotFound):
    """No such holder within the caller's rights."""

    code = "holder.not_found"
