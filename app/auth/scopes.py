"""Scopes `audience:noun:verb`, and which of them each kind of organisation may hold."""

from app.auth.models import OrganisationKind

ACTIVITIES_WRITE = "platforms:activities:write"
ACTIVITIES_READ = "platforms:activities:read"
PLATFORM_HOLDERS_WRITE = "platforms:holders:write"
MANDATES_WRITE = "platforms:mandates:write"
HOLDERS_WRITE = "operator:holders:write"
HOLDERS_READ = "operator:holders:read"
TOKENS_WRITE = "operator:tokens:write"
OPERATOR_ACTIVITIES_READ = "operator:activities:read"
OPERATOR_ACTIVITIES_REVERSE = "operator:activities:reverse"
METHODOLOGIES_READ = "operator:methodologies:read"
METHODOLOGIES_WRITE = "operator:methodologies:write"
METHODOLOGIES_APPROVE = "operator:methodologies:approve"
AUDIT_READ = "operator:audit:read"
ME_READ = "me:account:read"
ME_WRITE = "me:account:write"
MERCHANT_OFFERS = "merchant:offers:write"
MERCHANT_REDEMPTIONS = "merchant:redemptions:write"
MERCHANTS_APPROVE = "operator:merchants:approve"
PLATFORM_WEBHOOKS = "platforms:webhooks:write"
MERCHANT_WEBHOOKS = "merchant:webhooks:write"
PAYMENTS_READ = "operator:payments:read"

DESCRIPTIONS = {
    ACTIVITIES_WRITE: "Report activities and reverse own ones",
    ACTIVITIES_READ: "Read own activities and their explanations",
    PLATFORM_HOLDERS_WRITE: "Onboard holders with consents for oneself",
    MANDATES_WRITE: "Offer terms for mandates, and read how much is under them",
    HOLDERS_WRITE: "Onboard holders of the region, record and withdraw consents",
    HOLDERS_READ: "Read holders and balances of the region",
    TOKENS_WRITE: "Issue read-only tokens for holders of the region",
    OPERATOR_ACTIVITIES_READ: "Read activities of the region and their explanations",
    OPERATOR_ACTIVITIES_REVERSE: "Reverse activities of the region",
    METHODOLOGIES_READ: "Read methodology versions of the region, whatever their state",
    METHODOLOGIES_WRITE: "Draft methodologies of the region and submit them, propose exclusions and adoptions",
    METHODOLOGIES_APPROVE: "Approve, activate and retire methodologies of the region, approve exclusions and adoptions",
    AUDIT_READ: "Read the audit trail of the region",
    ME_READ: "Read one's own account, entries and explanations",
    ME_WRITE: "Change what is one's own: consents, redemptions, teams, data",
    MERCHANT_OFFERS: "Publish one's own offers",
    MERCHANT_REDEMPTIONS: "Verify and refund redemptions of one's own offers",
    MERCHANTS_APPROVE: "Review offers of the region's merchants",
    PLATFORM_WEBHOOKS: "Register webhooks, see and replay their deliveries",
    MERCHANT_WEBHOOKS: "Register webhooks, see and replay their deliveries",
    PAYMENTS_READ: "Read payments of the region, and what differs from the provider's bills",
}

ALLOWED: dict[OrganisationKind, tuple[str, ...]] = {
    OrganisationKind.PLATFORM: (
        ACTIVITIES_WRITE,
        ACTIVITIES_READ,
        PLATFORM_HOLDERS_WRITE,
        PLATFORM_WEBHOOKS,
        MANDATES_WRITE,
    ),
    OrganisationKind.OPERATOR: (
        HOLDERS_WRITE,
        HOLDERS_READ,
        TOKENS_WRITE,
        OPERATOR_ACTIVITIES_READ,
        OPERATOR_ACTIVITIES_REVERSE,
        METHODOLOGIES_READ,
        METHODOLOGIES_WRITE,
        METHODOLOGIES_APPROVE,
        AUDIT_READ,
        MERCHANTS_APPROVE,
        PAYMENTS_READ,
    ),
    OrganisationKind.BANK: (),
    OrganisationKind.MERCHANT: (
        MERCHANT_OFFERS,
        MERCHANT_REDEMPTIONS,
        MERCHANT_WEBHOOKS,
    ),
}
"""Banks can be registered; what they may do comes with their own doors. Residents hold theirs by signing in."""
