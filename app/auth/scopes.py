"""Scopes `audience:noun:verb`, and which of them each kind of organisation may hold."""

from accounts.enterprises.roles import Role
from app.auth.models import OrganisationKind

ACTIVITIES_WRITE = "platforms:activities:write"
ACTIVITIES_READ = "platforms:activities:read"
TOKENS_EVALUATE = "platforms:tokens:evaluate"
CLAIMS_WRITE = "platforms:claims:write"
CLAIMS_READ = "platforms:claims:read"
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
PROGRAMMES_READ = "operator:programmes:read"
PROGRAMMES_WRITE = "operator:programmes:write"
PROGRAMMES_APPROVE = "operator:programmes:approve"
REVIEW_READ = "operator:review:read"
REVIEW_DECIDE = "operator:review:decide"
REVIEW_WRITE = "operator:review:write"
REVIEW_APPROVE = "operator:review:approve"
AUDIT_READ = "operator:audit:read"
ME_READ = "me:account:read"
ME_WRITE = "me:account:write"
MERCHANT_OFFERS = "merchant:offers:write"
MERCHANT_REDEMPTIONS = "merchant:redemptions:write"
MERCHANTS_APPROVE = "operator:merchants:approve"
PLATFORM_WEBHOOKS = "platforms:webhooks:write"
MERCHANT_WEBHOOKS = "merchant:webhooks:write"
PAYMENTS_READ = "operator:payments:read"
MERCHANT_SETTLEMENTS_READ = "merchant:settlements:read"
MERCHANT_SETTLEMENTS_WRITE = "merchant:settlements:write"
SETTLEMENTS_READ = "operator:settlements:read"
SETTLEMENTS_WRITE = "operator:settlements:write"
SETTLEMENTS_APPROVE = "operator:settlements:approve"
QUOTAS_WRITE = "operator:quotas:write"
NEIGHBOUR_CLAIMS = "neighbours:claims:read"
FEDERATION_EVALUATE = "neighbours:tokens:evaluate"
NEIGHBOURS_READ = "operator:neighbours:read"
NEIGHBOURS_WRITE = "operator:neighbours:write"
NEIGHBOURS_APPROVE = "operator:neighbours:approve"
BANK_PRODUCTS_WRITE = "bank:products:write"
BANK_REPORTS_READ = "bank:reports:read"
GREEN_CREDIT_READ = "operator:green_credit:read"
BANK_GRANTS_READ = "bank:grants:read"
ENTERPRISES_READ = "operator:enterprises:read"
ENTERPRISES_WRITE = "operator:enterprises:write"
STRUCTURE_READ = "enterprises:structure:read"
STRUCTURE_WRITE = "enterprises:structure:write"
LABEL_READ = "enterprises:label:read"
FIGURES_WRITE = "enterprises:figures:write"
LABELS_READ = "operator:labels:read"
LABELS_WRITE = "operator:labels:write"
LABELS_APPROVE = "operator:labels:approve"
BANK_SCORES_READ = "bank:scores:read"
ENTERPRISE_BANK_GRANTS = "enterprises:bank_grants:write"
BANK_WEBHOOKS = "bank:webhooks:write"
ENTERPRISE_WEBHOOKS = "enterprises:webhooks:write"
BANKS_READ = "operator:banks:read"
BANKS_WRITE = "operator:banks:write"
BANKS_APPROVE = "operator:banks:approve"
MEMBERS_WRITE = "enterprises:members:write"
SCORES_READ = "operator:scores:read"
SCORES_WRITE = "operator:scores:write"
SCORES_APPROVE = "operator:scores:approve"
READINGS_READ = "enterprises:readings:read"
READINGS_WRITE = "enterprises:readings:write"
ALERTS_READ = "enterprises:alerts:read"
ALERTS_WRITE = "enterprises:alerts:write"
LOAD_SHEDDING_READ = "enterprises:load_shedding:read"
LOAD_SHEDDING_WRITE = "enterprises:load_shedding:write"
REPORT_READ = "enterprises:report:read"
EVIDENCE_WRITE = "enterprises:evidence:write"
BUDGETS_WRITE = "enterprises:budgets:write"
FACTORS_READ = "operator:factors:read"
FACTORS_WRITE = "operator:factors:write"
FACTORS_APPROVE = "operator:factors:approve"
ISSUANCES_READ = "operator:issuances:read"
ISSUANCES_WRITE = "operator:issuances:write"
ISSUANCES_APPROVE = "operator:issuances:approve"
VERIFIER_ISSUANCES_READ = "verifier:issuances:read"
VERIFIER_ISSUANCES_WRITE = "verifier:issuances:write"
MARKET_ACCOUNT_READ = "market:account:read"
OFFSETS_READ = "operator:offsets:read"
OFFSETS_WRITE = "operator:offsets:write"
OFFSETS_APPROVE = "operator:offsets:approve"
MARKET_OFFSETS_READ = "market:offsets:read"
MARKET_OFFSETS_WRITE = "market:offsets:write"
EVENTS_READ = "enterprises:events:read"
EVENTS_WRITE = "enterprises:events:write"
EVENT_COVERAGE_READ = "operator:events:read"
EVENT_POOLS_WRITE = "operator:event_pools:write"
CERTIFICATES_READ = "operator:certificates:read"
CERTIFICATES_WRITE = "operator:certificates:write"
EXCHANGES_READ = "operator:exchanges:read"
EXCHANGES_WRITE = "operator:exchanges:write"
EXCHANGES_APPROVE = "operator:exchanges:approve"
MARKET_TRADES_READ = "market:trades:read"
MARKET_TRADES_WRITE = "market:trades:write"
MARKET_READ = "operator:market:read"
MARKET_WRITE = "operator:market:write"
MARKET_APPROVE = "operator:market:approve"
MARKET_TRANSFERS_WRITE = "market:transfers:write"
MARKET_TRANSFERS_APPROVE = "market:transfers:approve"
BANK_PLEDGES_WRITE = "bank:pledges:write"
REGISTRY_READ = "operator:registry:read"
REGISTRY_WRITE = "operator:registry:write"
PROJECTS_WRITE = "operator:projects:write"
PROJECTS_APPROVE = "operator:projects:approve"

DESCRIPTIONS = {
    ACTIVITIES_WRITE: "Report activities and reverse own ones",
    ACTIVITIES_READ: "Read own activities and their explanations",
    TOKENS_EVALUATE: "Have blinded identifiers evaluated to person keys",
    CLAIMS_WRITE: "Claim acts for one's own accounts, and release one's own claims",
    CLAIMS_READ: "Ask whether acts are claimed",
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
    PROGRAMMES_READ: "Read points programmes and campaigns of the region",
    PROGRAMMES_WRITE: "Draft points programmes and campaigns of the region",
    PROGRAMMES_APPROVE: "Approve points programmes and campaigns of the region",
    REVIEW_READ: "Read disputes, held activities, reviews of scores and review policies of the region",
    REVIEW_DECIDE: "Decide disputes, held activities and reviews of scores of the region",
    REVIEW_WRITE: "Draft review policies of the region",
    REVIEW_APPROVE: "Approve review policies of the region",
    AUDIT_READ: "Read the audit trail of the region",
    ME_READ: "Read one's own account, entries and explanations",
    ME_WRITE: "Change what is one's own: consents, redemptions, teams, data",
    MERCHANT_OFFERS: "Publish one's own offers",
    MERCHANT_REDEMPTIONS: "Verify and refund redemptions of one's own offers",
    MERCHANTS_APPROVE: "Review offers of the region's merchants",
    PLATFORM_WEBHOOKS: "Register webhooks, see and replay their deliveries",
    MERCHANT_WEBHOOKS: "Register webhooks, see and replay their deliveries",
    PAYMENTS_READ: "Read payments of the region, and what differs from the provider's bills",
    MERCHANT_SETTLEMENTS_READ: "Read one's own statements",
    MERCHANT_SETTLEMENTS_WRITE: "Agree with one's own statements or dispute them",
    SETTLEMENTS_READ: "Read and preview statements of the region's merchants",
    SETTLEMENTS_WRITE: "Issue statements, resolve disputes, propose payments",
    SETTLEMENTS_APPROVE: "Approve or reject payments that others proposed",
    QUOTAS_WRITE: "Grant platforms of the region more than their quotas, and read what they use",
    NEIGHBOUR_CLAIMS: "Read what is claimed here, as digests under the common key",
    FEDERATION_EVALUATE: "Have blinded identifiers evaluated to person keys of the federation",
    NEIGHBOURS_READ: "Read agreements with neighbours, and what is claimed here and there",
    NEIGHBOURS_WRITE: "Draft agreements with neighbours, reverse acts that a neighbour keeps",
    NEIGHBOURS_APPROVE: "Approve agreements with neighbours",
    BANK_REPORTS_READ: "Ask for reports of holders who granted it",
    BANK_PRODUCTS_WRITE: "Publish one's own products, ask for quotes, report loans",
    GREEN_CREDIT_READ: "Read statistics of green credit of the region",
    BANK_GRANTS_READ: "Read what holders granted one's own bank, and under which names",
    ENTERPRISES_READ: "Read the enterprises of the region",
    ENTERPRISES_WRITE: "Onboard enterprises of the region, edit what they are, appoint owners",
    STRUCTURE_READ: "Read one's own sites, lines and meters",
    STRUCTURE_WRITE: "Enter and edit one's own sites, lines and meters",
    LABEL_READ: "Read one's own figures, label and its history, and scores",
    FIGURES_WRITE: "Report one's own output, value added, tax and other figures of a year",
    LABELS_READ: "Read rules of labels, figures and labels of the region's enterprises",
    LABELS_WRITE: "Draft rules of labels, record figures, begin runs",
    LABELS_APPROVE: "Approve rules of labels that others wrote, publish labels",
    ENTERPRISE_BANK_GRANTS: "Let banks see one's own enterprise, withdraw it, read who asked, export all data",
    BANK_SCORES_READ: "Ask for tiers, scores and labels of holders who granted it, and monitor them",
    BANK_WEBHOOKS: "Register webhooks, see and replay their deliveries",
    ENTERPRISE_WEBHOOKS: "Register webhooks, see and replay their deliveries",
    BANKS_READ: "Read by which channels scores are exported to banks of the region",
    BANKS_WRITE: "Propose and end channels of score exports",
    BANKS_APPROVE: "Approve channels of score exports that others proposed",
    MEMBERS_WRITE: "Invite and remove members of one's own enterprise, make and disable its clients",
    SCORES_READ: "Read which score cards are in force in the region, and conduct on record",
    SCORES_WRITE: "Draft which score cards are in force, put a conduct on record",
    SCORES_APPROVE: "Approve which score cards are in force, withdraw a conduct from the record",
    READINGS_READ: "Read the readings of one's own meters, and what was used",
    READINGS_WRITE: "Send readings of one's own meters, and say when one was exchanged",
    ALERTS_READ: "Read one's own alerts, and what one's meters are expected to use",
    ALERTS_WRITE: "Acknowledge and close one's own alerts",
    LOAD_SHEDDING_READ: "Read what one's own lines can do when load is to be shed, and plans",
    LOAD_SHEDDING_WRITE: "Enter what one's own lines can do, make plans, accept and drop them",
    REPORT_READ: "Read one's own emissions, reports and energy budget",
    EVIDENCE_WRITE: "Enter one's own fuels, green certificates and process emissions, keep statements",
    BUDGETS_WRITE: "Enter one's own energy quotas",
    FACTORS_READ: "Read emission factors of the region that operators entered",
    FACTORS_WRITE: "Propose emission factors of the region",
    FACTORS_APPROVE: "Put emission factors in force that others proposed",
    ISSUANCES_READ: "Read issuances of the region, whatever their state",
    ISSUANCES_WRITE: "Open and close issuances of the region, have acts stay out, put on public notice",
    ISSUANCES_APPROVE: "Issue what others opened and a verifier signed",
    VERIFIER_ISSUANCES_READ: "Read closed issuances of the region and their evidence",
    VERIFIER_ISSUANCES_WRITE: "Sign issuances of the region, or return them",
    MARKET_ACCOUNT_READ: "Read one's own registry account and its statement",
    OFFSETS_READ: "Read rules of offsetting, obligations and filings of the region",
    OFFSETS_WRITE: "Draft rules of offsetting, record obligations, file what was retired elsewhere",
    OFFSETS_APPROVE: "Approve rules of offsetting, accept and reject filings",
    EXCHANGES_READ: "Read what exchanges are told, what differs, and units as CAD Trust has them",
    EXCHANGES_WRITE: "Stage instructions to exchanges and withdraw them",
    EXCHANGES_APPROVE: "Approve instructions to exchanges that others staged",
    MARKET_OFFSETS_READ: "Read one's own obligations and filings, try filings out",
    MARKET_OFFSETS_WRITE: "File units against one's own obligations, withdraw filings",
    EVENTS_READ: "Read one's own carbon-neutral events, their shares and orders",
    EVENTS_WRITE: "Enter carbon-neutral events of one's own, order units for them and pay",
    EVENT_COVERAGE_READ: "Read how far departments of the region cover what their events emit",
    EVENT_POOLS_WRITE: "Sell units of one's own registry account for events",
    CERTIFICATES_READ: "Read certificates of the region",
    CERTIFICATES_WRITE: "Reissue and revoke certificates of the region, upload their seal",
    MARKET_TRADES_READ: "Read listings, and one's own auctions, bids, trades and money in the market",
    MARKET_TRADES_WRITE: "List and auction one's own units, buy and bid, bring money and take it out",
    MARKET_READ: "Read auctions and money of the region's market participants",
    MARKET_WRITE: "Record money of market participants that came by bank",
    MARKET_APPROVE: "Announce auctions, approve money that others recorded, pay money out",
    MARKET_TRANSFERS_WRITE: "Offer, accept, decline and withdraw transfers, pledge one's own units",
    MARKET_TRANSFERS_APPROVE: "Approve large transfers that another client of one's own proposed",
    BANK_PLEDGES_WRITE: "Read pledges to one's own bank, and give units free",
    REGISTRY_READ: "Read registry accounts of the region",
    REGISTRY_WRITE: "Change limits of registry accounts of the region, freeze them by order",
    PROJECTS_WRITE: "Register projects of the region, record their expected stock",
    PROJECTS_APPROVE: "Accept verifications of stock that others recorded",
}

_VIEWER = (
    STRUCTURE_READ,
    LABEL_READ,
    READINGS_READ,
    ALERTS_READ,
    LOAD_SHEDDING_READ,
    REPORT_READ,
    EVENTS_READ,
)
_ENERGY_MANAGER = (
    STRUCTURE_WRITE,
    FIGURES_WRITE,
    READINGS_WRITE,
    ALERTS_WRITE,
    LOAD_SHEDDING_WRITE,
    EVIDENCE_WRITE,
    BUDGETS_WRITE,
    EVENTS_WRITE,
    ENTERPRISE_WEBHOOKS,
)
_OWNER = (MEMBERS_WRITE, ENTERPRISE_BANK_GRANTS)
ROLES: dict[Role, frozenset[str]] = {
    Role.VIEWER: frozenset(_VIEWER),
    Role.ENERGY_MANAGER: frozenset({*_VIEWER, *_ENERGY_MANAGER}),
    Role.OWNER: frozenset({*_VIEWER, *_ENERGY_MANAGER, *_OWNER}),
}
"""What a role may at an enterprise: its own tuple above, and those of the lesser roles."""

ALLOWED: dict[OrganisationKind, tuple[str, ...]] = {
    OrganisationKind.PLATFORM: (
        ACTIVITIES_WRITE,
        ACTIVITIES_READ,
        PLATFORM_HOLDERS_WRITE,
        PLATFORM_WEBHOOKS,
        MANDATES_WRITE,
        TOKENS_EVALUATE,
        CLAIMS_WRITE,
        CLAIMS_READ,
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
        PROGRAMMES_READ,
        PROGRAMMES_WRITE,
        PROGRAMMES_APPROVE,
        REVIEW_READ,
        REVIEW_DECIDE,
        REVIEW_WRITE,
        REVIEW_APPROVE,
        AUDIT_READ,
        MERCHANTS_APPROVE,
        PAYMENTS_READ,
        SETTLEMENTS_READ,
        SETTLEMENTS_WRITE,
        SETTLEMENTS_APPROVE,
        QUOTAS_WRITE,
        NEIGHBOURS_READ,
        NEIGHBOURS_WRITE,
        NEIGHBOURS_APPROVE,
        GREEN_CREDIT_READ,
        ENTERPRISES_READ,
        ENTERPRISES_WRITE,
        LABELS_READ,
        LABELS_WRITE,
        LABELS_APPROVE,
        BANKS_READ,
        BANKS_WRITE,
        BANKS_APPROVE,
        SCORES_READ,
        SCORES_WRITE,
        SCORES_APPROVE,
        FACTORS_READ,
        FACTORS_WRITE,
        FACTORS_APPROVE,
        OFFSETS_READ,
        OFFSETS_WRITE,
        OFFSETS_APPROVE,
        EVENT_COVERAGE_READ,
        EVENT_POOLS_WRITE,
        CERTIFICATES_READ,
        CERTIFICATES_WRITE,
        EXCHANGES_READ,
        EXCHANGES_WRITE,
        EXCHANGES_APPROVE,
        MARKET_READ,
        MARKET_WRITE,
        MARKET_APPROVE,
        ISSUANCES_READ,
        ISSUANCES_WRITE,
        ISSUANCES_APPROVE,
        REGISTRY_READ,
        REGISTRY_WRITE,
        PROJECTS_WRITE,
        PROJECTS_APPROVE,
    ),
    OrganisationKind.NEIGHBOUR: (NEIGHBOUR_CLAIMS, FEDERATION_EVALUATE),
    OrganisationKind.BANK: (
        BANK_PRODUCTS_WRITE,
        BANK_REPORTS_READ,
        BANK_GRANTS_READ,
        BANK_SCORES_READ,
        BANK_WEBHOOKS,
        BANK_PLEDGES_WRITE,
    ),
    OrganisationKind.MERCHANT: (
        MERCHANT_OFFERS,
        MERCHANT_REDEMPTIONS,
        MERCHANT_WEBHOOKS,
        MERCHANT_SETTLEMENTS_READ,
        MERCHANT_SETTLEMENTS_WRITE,
    ),
    OrganisationKind.ENTERPRISE: (*_VIEWER, *_ENERGY_MANAGER, *_OWNER),
    OrganisationKind.PARTICIPANT: (
        MARKET_ACCOUNT_READ,
        MARKET_TRADES_READ,
        MARKET_TRADES_WRITE,
        MARKET_TRANSFERS_WRITE,
        MARKET_TRANSFERS_APPROVE,
        MARKET_OFFSETS_READ,
        MARKET_OFFSETS_WRITE,
    ),
    OrganisationKind.VERIFIER: (VERIFIER_ISSUANCES_READ, VERIFIER_ISSUANCES_WRITE),
}
"""Residents hold theirs by signing in."""
