"""The programmes and campaigns of one process, as approved texts make them. `app.versions.live` has them looked at."""

from typing import TYPE_CHECKING

from accounts.labels.rules import LabelRules, LabelTexts, LiveRules
from app.neighbours.agreements import Agreements, LiveAgreement, NeighbourAgreement
from app.programmes.decisions import Content, read
from app.programmes.models import Kind
from app.programmes.repository import Approved, read_contents
from app.review.policy import LivePolicy, ReviewPolicies, ReviewPolicy
from app.scoring.in_force import CardsInForce, ScoreCards
from points.campaigns import Campaign, Campaigns, LiveCampaign
from points.programmes import Programme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from points.programmes import Programmes


class LivePoints:
    """What counts beside the programmes that ship. Each text says itself from when on, so none waits for a moment."""

    def __init__(self, shipped: "Programmes", cards: CardsInForce) -> None:
        self._shipped = shipped
        self._built: dict[UUID, Content] = {}
        self.programmes = shipped
        self.campaigns = Campaigns()
        self.reviews = ReviewPolicies()
        self.agreements = Agreements()
        self.labels = LabelTexts()
        self.cards = cards

    async def learn(self, driver: "asyncpg.Connection", approved: "Sequence[Approved]") -> None:
        """Read the texts that are new, and put all together."""
        missing = [each.id for each in approved if each.id not in self._built]
        contents = await read_contents(driver, missing)
        for each in approved:
            if each.id in contents:
                self._built[each.id] = read(Kind(each.kind), contents[each.id])
        built = [(each, self._built[each.id]) for each in approved]
        self.programmes = self._shipped.with_versions(
            text for _, text in built if isinstance(text, Programme)
        )
        self.campaigns = Campaigns(
            LiveCampaign(each.id, text, each.until or text.last_moment)
            for each, text in built
            if isinstance(text, Campaign)
        )
        self.reviews = ReviewPolicies(
            LivePolicy(each.id, text) for each, text in built if isinstance(text, ReviewPolicy)
        )
        self.agreements = Agreements(
            LiveAgreement(each.id, text) for each, text in built if isinstance(text, NeighbourAgreement)
        )
        self.labels = LabelTexts(
            LiveRules(each.id, text) for each, text in built if isinstance(text, LabelRules)
        )
        self.cards = self.cards.with_sets(text for _, text in built if isinstance(text, ScoreCards))
