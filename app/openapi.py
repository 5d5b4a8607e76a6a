"""The published OpenAPI document: what FastAPI finds, with the models, scopes and errors that routes name."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from accounts.agreement_schemas import (
    BindingRedemption,
    BindingStart,
    ConsentGrantInput,
    MandateInput,
    MandateTermsInput,
    OwnWithdrawalInput,
)
from accounts.alerts.schemas import AlertClosure
from accounts.emissions.schemas import (
    CertificateInput,
    CertificateWithdrawal,
    FactorApproval,
    FactorInput,
    FuelInput,
    ProcessInput,
    ProcessReplacement,
)
from accounts.energy_budgets.schemas import QuotaInput
from accounts.enterprises.member_schemas import (
    InvitationUse,
    MemberInvitation,
    OwnerAppointment,
    RoleInput,
)
from accounts.enterprises.schemas import (
    EnterpriseInput,
    EnterpriseOnboarding,
    LineCreation,
    LineInput,
    MeterCreation,
    MeterInput,
    MeterRemoval,
    SiteInput,
)
from accounts.event_footprints.schemas import EventFootprintInput
from accounts.issuance.schemas import (
    ExclusionInput,
    InclusionInput,
    IssuanceInput,
    IssuanceStepInput,
    NoticeInput,
    ObjectionAnswerInput,
    ObjectionInput,
    StatementInput,
)
from accounts.labels.rules import LabelRules
from accounts.load_shedding.schemas import SheddingChoice, SheddingLineInput, SheddingRequest
from accounts.metering.schemas import ExchangeInput, ReadingInput
from accounts.offset_rules.rules import OffsetRules
from accounts.offsetting.schemas import FootprintInput, OffsetInput
from accounts.projects.schemas import ForwardStockInput, ProjectInput, StockVerificationInput
from accounts.schemas import HolderBatch, WithdrawalInput
from app.api.bank_reports import CreditReportInput, VerificationRequest
from app.api.market_schemas import (
    AccountLimits,
    FreezeLift,
    FreezeOrder,
    PledgeInput,
    PledgeRelease,
    UnitTransferInput,
)
from app.api.payments import PaymentInput
from app.api.platforms import ReversalRequest
from app.api.ranks import RankChoiceInput
from app.api.teams import JoinInput, TeamInput
from app.api.unit_uses import UnitCancellationInput, UnitRetirementInput
from app.auth.resident_schemas import (
    ChildInput,
    PhoneCodeInput,
    RealNameInput,
    RefreshInput,
    SignInInput,
    SignInMethodInput,
)
from app.auth.scopes import DESCRIPTIONS
from app.banking.desk_schemas import ScoreChannelInput, ScoreChannelStep, ScoreReviewAnswer, ScoreReviewInput
from app.banking.query_schemas import LabelQuery, MonitorInput, PreScreening, ScoreQuery
from app.banking.schemas import BankGrantInput
from app.certificates.schemas import CertificateCheckInput, ReissueInput, RevocationInput, ShownNameInput
from app.claiming.schemas import ActInput, ClaimInput, ClaimReleaseInput, DisclosureInput
from app.crediting.precedence_choice import PreferredPlatformInput
from app.crediting.schemas import ActivityReport
from app.disputes.schemas import ContestInput, DisputeDecision
from app.events.schemas import EventInput, EventOrderInput, PoolInput, ShareInput, ShareOrderInput
from app.exchanges.schemas import ExchangeOrderInput, ExchangeStep
from app.labels.schemas import (
    FiguresInput,
    LabelPublicationInput,
    LabelRunInput,
    OperatorFigureBatch,
)
from app.lending.schemas import BankProductInput, LoanCorrection, LoanInput, QuoteInput
from app.market.schemas import (
    AuctionInput,
    AuctionRejection,
    BidInput,
    FundingInput,
    ListingInput,
    MarketWithdrawalInput,
    PayoutInput,
    PurchaseInput,
    TransferInput,
)
from app.my_data.schemas import CorrectionDecisionInput, CorrectionInput
from app.neighbours.agreements import NeighbourAgreement
from app.neighbours.schemas import DigestQuestions, YieldInput
from app.offsets.schemas import (
    CheckInput,
    ElsewhereInput,
    FilingInput,
    FilingStep,
    ObligationCorrection,
    ObligationInput,
)
from app.problems import Problem
from app.programmes.schemas import ApprovalInput, EndInput
from app.quotas.schemas import QuotaGrantInput
from app.recalculation.schemas import RecalculationApproval, RecalculationInput
from app.review.policy import ReviewPolicy
from app.review.schemas import ReviewDecision
from app.scoring.in_force import ScoreCards
from app.scoring.schemas import ConductInput, ConductWithdrawalInput
from app.tokens.schemas import EvaluationInput
from app.versions.schemas import (
    ActivationInput,
    DraftInput,
    PackRetirementInput,
    RetirementInput,
    SceneDaysEndInput,
    SceneDaysInput,
    StepInput,
    TextInput,
)
from app.webhooks.schemas import ReplayInput, RotationInput, WebhookChange, WebhookInput
from points.campaigns import Campaign
from points.offer_schemas import OfferInput, OfferStep, ShopInput, StockInput, TillInput
from points.programmes import Programme
from points.redemption_schemas import (
    AcceptanceBatch,
    BindingInput,
    OrderInput,
    RefundInput,
    VerificationInput,
)
from points.settlement_schemas import (
    AgreementInput,
    DisputeInput,
    PaymentProposal,
    PaymentStep,
    ResolutionInput,
    SettlementInput,
)

NAMED = (
    ListingInput,
    PurchaseInput,
    AuctionInput,
    AuctionRejection,
    BidInput,
    FundingInput,
    TransferInput,
    MarketWithdrawalInput,
    PayoutInput,
    ExclusionInput,
    InclusionInput,
    IssuanceInput,
    IssuanceStepInput,
    NoticeInput,
    ObjectionAnswerInput,
    ObjectionInput,
    StatementInput,
    UnitTransferInput,
    PledgeInput,
    PledgeRelease,
    AccountLimits,
    FreezeOrder,
    FreezeLift,
    ReadingInput,
    ExchangeInput,
    ActivityReport,
    HolderBatch,
    WithdrawalInput,
    FootprintInput,
    EventFootprintInput,
    EventInput,
    EventOrderInput,
    ShareInput,
    ShareOrderInput,
    PoolInput,
    OffsetInput,
    RankChoiceInput,
    JoinInput,
    TeamInput,
    ReversalRequest,
    DraftInput,
    TextInput,
    StepInput,
    ActivationInput,
    PackRetirementInput,
    RetirementInput,
    SceneDaysInput,
    SceneDaysEndInput,
    RecalculationInput,
    RecalculationApproval,
    PhoneCodeInput,
    SignInInput,
    RefreshInput,
    SignInMethodInput,
    ChildInput,
    RealNameInput,
    WebhookInput,
    WebhookChange,
    RotationInput,
    ReplayInput,
    PaymentInput,
    EvaluationInput,
    ActInput,
    ClaimInput,
    ClaimReleaseInput,
    DisclosureInput,
    QuotaGrantInput,
    ShopInput,
    TillInput,
    OfferInput,
    OfferStep,
    StockInput,
    OrderInput,
    BindingInput,
    VerificationInput,
    AcceptanceBatch,
    RefundInput,
    ConsentGrantInput,
    OwnWithdrawalInput,
    MandateTermsInput,
    MandateInput,
    BindingStart,
    BindingRedemption,
    CorrectionInput,
    BankGrantInput,
    ScoreQuery,
    LabelQuery,
    PreScreening,
    MonitorInput,
    ScoreReviewInput,
    ScoreReviewAnswer,
    ScoreChannelInput,
    ScoreChannelStep,
    DisputeDecision,
    ContestInput,
    PreferredPlatformInput,
    ReviewDecision,
    ReviewPolicy,
    NeighbourAgreement,
    LabelRules,
    FiguresInput,
    OperatorFigureBatch,
    ScoreCards,
    ConductInput,
    ConductWithdrawalInput,
    LabelRunInput,
    LabelPublicationInput,
    DigestQuestions,
    CertificateInput,
    CertificateWithdrawal,
    FactorApproval,
    FactorInput,
    FuelInput,
    ProcessInput,
    ProcessReplacement,
    QuotaInput,
    EnterpriseOnboarding,
    InvitationUse,
    MemberInvitation,
    OwnerAppointment,
    RoleInput,
    EnterpriseInput,
    SiteInput,
    AlertClosure,
    SheddingLineInput,
    SheddingRequest,
    SheddingChoice,
    LineInput,
    LineCreation,
    MeterInput,
    MeterCreation,
    MeterRemoval,
    YieldInput,
    CorrectionDecisionInput,
    Programme,
    Campaign,
    ApprovalInput,
    EndInput,
    SettlementInput,
    AgreementInput,
    DisputeInput,
    ResolutionInput,
    PaymentProposal,
    PaymentStep,
    BankProductInput,
    LoanInput,
    LoanCorrection,
    QuoteInput,
    CreditReportInput,
    VerificationRequest,
    ExchangeOrderInput,
    ExchangeStep,
    UnitRetirementInput,
    UnitCancellationInput,
    OffsetRules,
    ObligationInput,
    ObligationCorrection,
    ElsewhereInput,
    FilingStep,
    CheckInput,
    FilingInput,
    CertificateCheckInput,
    ReissueInput,
    RevocationInput,
    ShownNameInput,
    ProjectInput,
    ForwardStockInput,
    StockVerificationInput,
    Problem,
)
DESCRIPTION = """\
碳普惠 backend: green acts become verified CO2e reductions, once.

CO2e is a decimal string in grams (`co2e_g`), points are integers, times are RFC 3339 with offset, regions are
GB/T 2260 codes. Errors are `application/problem+json` (RFC 9457) with a stable `code`, in Chinese or English by
`Accept-Language`.
"""


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the application."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    found = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    _, named = models_json_schema(
        [(model, "validation") for model in NAMED], ref_template="#/components/schemas/{model}"
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name, schema in named["$defs"].items():
        schemas[name] = schema
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    components["schemas"] = dict(sorted(schemas.items()))
    components["securitySchemes"] = {
        "oauth2": {
            "type": "oauth2",
            "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": DESCRIPTIONS}},
        }
    }
    for path in found["paths"].values():
        for operation in path.values():
            # FastAPI describes its own kind of 422; ours is a problem, and described where it can happen.
            content = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in content:
                schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
                operation["responses"]["422"] = {
                    "description": "`request.invalid`",
                    "content": {"application/problem+json": schema},
                }
    app.openapi_schema = found
    return found
