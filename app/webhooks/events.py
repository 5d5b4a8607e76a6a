"""What webhooks tell of: the names of events and who may hear them."""

from dataclasses import dataclass

from app.auth.models import OrganisationKind

PLATFORM, MERCHANT = OrganisationKind.PLATFORM, OrganisationKind.MERCHANT


@dataclass(frozen=True, slots=True)
class EventType:
    """`noun.past_participle`, the kinds of organisation that it is told to, and what its `data` holds."""

    name: str
    kinds: frozenset[OrganisationKind]
    description: str


ACTIVITY_CREDITED = "activity.credited"
ACTIVITY_REVERSED = "activity.reversed"
REDEMPTION_CONFIRMED = "redemption.confirmed"
REDEMPTION_FULFILLED = "redemption.fulfilled"
REDEMPTION_REFUNDED = "redemption.refunded"
REDEMPTION_LAPSED = "redemption.lapsed"
SETTLEMENT_ISSUED = "settlement.issued"
SETTLEMENT_AGREED = "settlement.agreed"
SETTLEMENT_DISPUTED = "settlement.disputed"
SETTLEMENT_CORRECTED = "settlement.corrected"
SETTLEMENT_UPHELD = "settlement.upheld"
SETTLEMENT_PAID = "settlement.paid"
WEBHOOK_DISABLED = "webhook.disabled"
WEBHOOK_TESTED = "webhook.tested"

EVENTS = {
    each.name: each
    for each in (
        EventType(
            ACTIVITY_CREDITED,
            frozenset({PLATFORM}),
            "An activity of yours was credited, at once or when its credit was collected",
        ),
        EventType(
            ACTIVITY_REVERSED, frozenset({PLATFORM}), "The credit of an activity of yours was taken back"
        ),
        EventType(
            REDEMPTION_CONFIRMED,
            frozenset({MERCHANT}),
            "A redemption of an offer of yours is paid for, in points and money, and waits to be taken",
        ),
        EventType(
            REDEMPTION_FULFILLED,
            frozenset({MERCHANT}),
            "A redemption was taken; where nothing is handed over, this comes instead of `redemption.confirmed`",
        ),
        EventType(REDEMPTION_REFUNDED, frozenset({MERCHANT}), "A redemption was refunded"),
        EventType(REDEMPTION_LAPSED, frozenset({MERCHANT}), "A redemption was not taken in time"),
        EventType(SETTLEMENT_ISSUED, frozenset({MERCHANT}), "A statement of yours was issued"),
        EventType(SETTLEMENT_AGREED, frozenset({MERCHANT}), "A client of yours agreed with a statement"),
        EventType(SETTLEMENT_DISPUTED, frozenset({MERCHANT}), "A client of yours disputed a statement"),
        EventType(SETTLEMENT_CORRECTED, frozenset({MERCHANT}), "A statement that you disputed was corrected"),
        EventType(SETTLEMENT_UPHELD, frozenset({MERCHANT}), "A statement that you disputed was upheld"),
        EventType(SETTLEMENT_PAID, frozenset({MERCHANT}), "The payment of a statement was approved"),
        EventType(
            WEBHOOK_DISABLED,
            frozenset({PLATFORM, MERCHANT}),
            "Another endpoint of yours was disabled, since it kept failing or answered 410",
        ),
        EventType(WEBHOOK_TESTED, frozenset(), "You asked this endpoint for a test; needs no subscription"),
    )
}


def heard_by(kind: OrganisationKind) -> list[str]:
    """Names of the events that an organisation of this kind may subscribe to."""
    return [each.name for each in EVENTS.values() if kind in each.kinds]
