"""The neighbours of a process, as the database has them: doors with their secrets, and lines to ask by."""

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

from app.groups import AWAY
from app.neighbours import repository
from app.neighbours.asking import Line
from app.neighbours.client import Door
from app.webhooks.signing import SecretBox

if TYPE_CHECKING:
    import httpx

    from app.database import Database
    from app.neighbours.models import Neighbour

KEPT_S = 30.0
"""How long a process goes without a look at the table."""


class Directory:
    """Finds neighbours; their doors keep their tokens."""

    def __init__(
        self, database: "Database", http: "httpx.AsyncClient", box: SecretBox, timeout_s: float
    ) -> None:
        self._database = database
        self._http = http
        self._box = box
        self._timeout_s = timeout_s
        self._doors: dict[tuple[UUID, str, str, bytes], Door] = {}
        self._lines: dict[UUID, tuple[Door, Line]] = {}
        self._until = 0.0

    def door(self, neighbour: "Neighbour") -> Door:
        """The door of a neighbour."""
        key = (neighbour.id, neighbour.url, neighbour.client_id, neighbour.sealed_secret)
        door = self._doors.get(key)
        if door is None:
            secret = self._box.open(neighbour.id, neighbour.sealed_secret).decode()
            door = self._doors[key] = Door(self._http, neighbour.url, neighbour.client_id, secret)
        return door

    async def lines(self) -> dict[UUID, Line]:
        """Organisation of a neighbour → the line to ask it by."""
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            try:
                async with self._database.reading() as session:
                    known = await repository.neighbours(session)
            except AWAY:
                known = None  # those that were known are asked on
            if known is not None:
                self._until = now + KEPT_S
                self._keep(known)
        return {organisation: line for organisation, (_, line) in self._lines.items()}

    def forget(self) -> None:
        """Look at the table again at once."""
        self._until = 0.0

    def _keep(self, known: "list[Neighbour]") -> None:
        before, self._lines = self._lines, {}
        for each in known:
            door = self.door(each)
            kept = before.get(each.organisation_id)
            if kept is None or kept[0] is not door:
                kept = door, Line(door, self._timeout_s)
                door.sign_in_ahead()
            self._lines[each.organisation_id] = kept
