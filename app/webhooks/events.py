"""What webhooks tell of: the names of events and who may hear them."""

from dataclasses import dataclass

from app.auth.models import OrganisationKind

PLATFORM, MERCHANT, BANK = OrganisationKind.PLATFORM, OrganisationKind.MERCHANT, OrganisationKind.BANK
ENTERPRISE = OrganisationKind.ENTERPRISE


@dataclass(frozen=True, slots=True)
class EventType:
    """`noun.past_participle`, the kinds of organisation that it is told to, and what its `data` holds."""

    name: str
    kinds: frozenset[OrganisationKind]
    description: str


ACTIVITY_CREDITED = "activity.credited"
ACTIVITY_REVERSED = "activity.reversed"
ACTIVITY_REJECTED = "activity.rejected"
DISPUTE_OPENED = "dispute.opened"
DISPUTE_UPHELD = "dispute.upheld"
DISPUTE_MOVED = "dispute.moved"
DISPUTE_WITHDRAWN = "dispute.withdrawn"
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
LABEL_FALLEN = "label.fallen"
TIER_FALLEN = "tier.fallen"
GRANT_GIVEN = "bank_grant.given"
GRANT_WITHDRAWN = "bank_grant.withdrawn"
ALERT_OPENED = "alert.opened"
BUDGET_WARNED = "energy_budget.warned"
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
            ACTIVITY_REJECTED,
            frozenset({PLATFORM}),
            "An activity of yours that was held is not credited",
        ),
        EventType(
            DISPUTE_OPENED,
            frozenset({PLATFORM}),
            "What became of an activity of yours, or of one that lost to it, is contested",
        ),
        EventType(
            DISPUTE_UPHELD,
            frozenset({PLATFORM}),
            "The contested outcome of an activity of yours stands",
        ),
        EventType(
            DISPUTE_MOVED,
            frozenset({PLATFORM}),
            "A claim was moved: `credited` tells whether to your activity or away from it",
        ),
        EventType(
            DISPUTE_WITHDRAWN,
            frozenset({PLATFORM}),
            "Who contested the outcome of an activity of yours let it go",
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
        EventType(LABEL_FALLEN, frozenset({BANK}), "The label of a customer whom you monitor fell"),
        EventType(TIER_FALLEN, frozenset({BANK}), "The tier of a customer whom you monitor fell"),
        EventType(
            GRANT_GIVEN, frozenset({BANK}), "A customer lets you see something, or something else than before"
        ),
        EventType(GRANT_WITHDRAWN, frozenset({BANK}), "A customer withdrew what you might see"),
        EventType(
            ALERT_OPENED,
            frozenset({ENTERPRISE}),
            "A meter of yours uses too much, is stuck, or has gone silent",
        ),
        EventType(
            BUDGET_WARNED, frozenset({ENTERPRISE}), "An energy quota of yours will be overrun, or is exceeded"
        ),
        EventType(
            WEBHOOK_DISABLED,
            frozenset({PLATFORM, MERCHANT, BANK, ENTERPRISE}),
            "Another endpoint of yours was disabled, since it kept failing or answered 410",
        ),
        EventType(WEBHOOK_TESTED, frozenset(), "You asked this endpoint for a test; needs no subscription"),
    )
}


def heard_by(kind: OrganisationKind) -> list[str]:
    """Names of the events that an organisation of this kind may subscribe to."""
    return [each.name for each in EVENTS.values() if kind in each.kinds]
