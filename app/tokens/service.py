"""Blind evaluation (RFC 9497) of what platforms ask for, counted first and done on threads."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import UUID

from accounts.errors import Fault
from app import metrics
from app.quotas.models import QuotaKind
from app.tokens.errors import ElementInvalid, KeyUnknown
from dedup.oprf import OprfError

if TYPE_CHECKING:
    from app.quotas.service import Quotas
    from dedup.person_key import PersonKeys

THREADS = 2
"""The group arithmetic runs without the interpreter's lock (rbcl calls libsodium through ctypes)."""


class Evaluator:
    """Evaluates under the live keys, the present and perhaps the next one; for neighbours, under the federation's."""

    def __init__(self, keys: "PersonKeys", quotas: "Quotas", federation: "PersonKeys | None" = None) -> None:
        self.keys = {each.key_id: each for each in (keys, keys.following) if each is not None}
        self.federation = federation
        """The key of a federation of cities, where this deployment is its evaluator: for neighbours only."""
        self._present = keys
        self._quotas = quotas
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="evaluation")

    async def evaluate(
        self,
        organisation_id: UUID,
        elements: Sequence[bytes],
        key_id: str | None,
        *,
        proven: bool,
        of_federation: bool = False,
    ) -> tuple[str, list[bytes], bytes | None]:
        """Key id, evaluated elements and proof. All elements count, those that are refused too.

        A neighbour has its own key evaluated and no other one, and nobody else has that.
        Raises `KeyUnknown`, `QuotaExhausted`, `ElementInvalid` with the place of the first such element.
        """
        if of_federation:
            keys = self.federation
            if keys is not None and key_id not in (None, keys.key_id):
                keys = None
        else:
            keys = self._present if key_id is None else self.keys.get(key_id)
        if keys is None:
            raise KeyUnknown
        await self._quotas.take(QuotaKind.EVALUATIONS, organisation_id, len(elements))
        loop = asyncio.get_running_loop()
        evaluated: list[bytes]
        proof: bytes | None = None
        try:
            if proven:
                evaluated, proof = await loop.run_in_executor(self._threads, keys.evaluate_blinded, elements)
            else:
                evaluated = await loop.run_in_executor(self._threads, keys.evaluate_unproven, elements)
        except OprfError as refused:
            raise ElementInvalid(Fault(f"/elements/{refused.index}", refused.code)) from None
        metrics.EVALUATIONS.labels("voprf" if proven else "oprf").inc(len(elements))
        return keys.key_id, evaluated, proof

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False)
