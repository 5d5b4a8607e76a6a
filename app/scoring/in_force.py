"""Which cards are in force in a region from a day on: what operators put in force, a set at a time. Pure."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from accounts.fields import Region
from accounts.scores.cards import Card, Cards
from points.programmes import Data

CardName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$")]
CardVersion = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.-]{0,19}$")]


class ChosenCard(Data):
    """One version of a card."""

    card: CardName
    version: CardVersion


class ScoreCards(Data):
    """All cards that are in force in a region from a day on; a later set takes its place whole."""

    region: Region
    first_day: dt.date = Field(alias="from")
    cards: Annotated[tuple[ChosenCard, ...], Field(max_length=20)]

    @model_validator(mode="after")
    def _each_once(self) -> "ScoreCards":
        if len({each.card for each in self.cards}) != len(self.cards):
            raise PydanticCustomError("cards", "each card stands once")
        return self


@dataclass(frozen=True)
class CardsInForce:
    """What ships, and what is in force where."""

    shipped: Cards
    sets: tuple[ScoreCards, ...] = ()

    def with_sets(self, sets: Iterable[ScoreCards]) -> "CardsInForce":
        """The same cards with these approved sets, of which a later one of a region goes before an earlier one."""
        return CardsInForce(self.shipped, tuple(sorted(sets, key=lambda each: each.first_day)))

    def of(self, region: str, day: dt.date) -> dict[str, Card]:
        """The cards of a region on a day, by name: the city's set before the province's before the nation's."""
        for place in (region, region[:4] + "00", region[:2] + "0000", "100000"):
            begun = [each for each in self.sets if each.region == place and each.first_day <= day]
            if begun:
                found = (self.shipped.find(each.card, each.version) for each in begun[-1].cards)
                return {card.name: card for card in found if card is not None and _valid(card, day)}
        return {}

    def on(self, day: dt.date) -> list[Card]:
        """Every version that is in force anywhere on a day."""
        found = {
            card.content_hash: card
            for region in {each.region for each in self.sets}
            for card in self.of(region, day).values()
        }
        return list(found.values())


def _valid(card: Card, day: dt.date) -> bool:
    days = card.text.in_force
    return days.first_day <= day and (days.last_day is None or day <= days.last_day)
