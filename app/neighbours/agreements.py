"""What a region agreed with its neighbours, from a day on: what of theirs counts here, who keeps an act. Pure."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from accounts.fields import Region
from accounts.ids import parse_public_id
from dedup.exchange import Precedence
from points.programmes import Data

MAX_NEIGHBOURS = 50
MAX_SCENES = 200
MAX_REMEMBERED = 100_000
Scene = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$", max_length=64)]
NeighbourOrganisation = Annotated[str, StringConstraints(pattern=r"^org_[0-9a-f]{32}$")]


class Terms(Data):
    """What was agreed with one neighbour."""

    neighbour: NeighbourOrganisation
    recognises: Annotated[tuple[Scene, ...], Field(max_length=MAX_SCENES)] = ()
    """Scenes, or groups of them (`trip`), whose acts count here when the neighbour credited them."""
    precedence: Precedence = Precedence.ARRIVAL
    losses: Literal["operator", "automatic"] = "operator"
    """Who reverses what this side loses: an operator, act by act, or the service."""
    asks_first: bool = False
    """Whether the neighbour is asked before an act is credited."""

    @property
    def organisation_id(self) -> UUID:
        """The neighbour's organisation here."""
        found = parse_public_id("org", self.neighbour)
        if found is None:
            raise ValueError("the pattern lets only ids pass")
        return found

    def recognised(self, scene: str) -> bool:
        """Whether the neighbour's acts of a scene exclude those of here."""
        return any(scene == each or scene.startswith(each + ".") for each in self.recognises)


class NeighbourAgreement(Data):
    """What an operator writes of all neighbours of a region. An act belongs to it by its own day."""

    region: Region
    first_day: datetime.date = Field(alias="from")
    neighbours: Annotated[tuple[Terms, ...], Field(max_length=MAX_NEIGHBOURS)] = ()

    @model_validator(mode="after")
    def _each_once(self) -> "NeighbourAgreement":
        if len({each.neighbour for each in self.neighbours}) != len(self.neighbours):
            raise PydanticCustomError("neighbours", "each neighbour stands once")
        return self


@dataclass(frozen=True, slots=True)
class LiveAgreement:
    """An approved agreement."""

    id: UUID
    text: NeighbourAgreement


class Agreements:
    """All that are approved. False where there is none, so that nobody need look."""

    def __init__(self, agreements: Iterable[LiveAgreement] = ()) -> None:
        self._of: dict[str, list[NeighbourAgreement]] = {}
        for each in sorted(agreements, key=lambda agreement: agreement.text.first_day):
            self._of.setdefault(each.text.region, []).append(each.text)
        self._found: dict[tuple[str, datetime.date], dict[UUID, Terms]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def of(self, region: str, day: datetime.date) -> dict[UUID, Terms]:
        """Organisation of a neighbour → terms, of a region on a day: the city's before the province's, the nation's."""
        key = (region, day)
        if key not in self._found:
            if len(self._found) > MAX_REMEMBERED:
                self._found.clear()
            self._found[key] = self._look(region, day)
        return self._found[key]

    def _look(self, region: str, day: datetime.date) -> dict[UUID, Terms]:
        for place in (region, region[:4] + "00", region[:2] + "0000", "100000"):
            begun = [each for each in self._of.get(place, ()) if each.first_day <= day]
            if begun:
                return {terms.organisation_id: terms for terms in begun[-1].neighbours}
        return {}
