"""What operators, verifiers and the public send and see of issuances."""

import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from accounts.fields import Moment, Region, Text
from accounts.ids import public_id
from accounts.issuance.models import Issuance, IssuanceObjection
from accounts.quantities import grams

MAX_ACTS = 1_000
Note = Annotated[
    str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]+$")
]
_FIRST = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_LAST = datetime.datetime(9000, 1, 1, tzinfo=datetime.UTC)


def _tellable(moment: datetime.datetime) -> datetime.datetime:
    if not _FIRST <= moment < _LAST:
        raise ValueError("no id can tell of this moment")
    return moment


Bound = Annotated[Moment, AfterValidator(_tellable)]
IssuanceStatusWord = Literal[
    "draft",
    "previewed",
    "closing",
    "submitted",
    "signed",
    "returned",
    "opening",
    "noticed",
    "issued",
    "withdrawn",
]
ExclusionReasonWord = Literal["disputed", "held", "outside_boundary", "used", "evidence", "objection"]
OperatorReasonWord = Literal["disputed", "held", "outside_boundary", "evidence", "objection"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class IssuanceInput(_Input):
    """What to close: the reductions of one applicant's holders, under one text, of one year of acts."""

    applicant_id: str = Field(max_length=64, examples=["org_01a1fc693a86700e9ae525ac545ac6cd"])
    methodology_region: Region = Field(examples=["440300"])
    methodology_code: Text = Field(examples=["SZ-METRO"])
    methodology_version: Text = Field(examples=["2026"])
    region: Region = Field(description="The methodology's, or a part of it: acts elsewhere stay out")
    vintage: int = Field(ge=2000, le=2200, strict=True, description="Year of the acts")
    booked_from: Bound | None = Field(
        default=None, description="For the first of a series; the others begin where the one before ends"
    )
    booked_until: Bound


class ExclusionInput(_Input):
    """Acts that stay out, and why."""

    activity_ids: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=MAX_ACTS)
    reason: OperatorReasonWord
    note: Note


class InclusionInput(_Input):
    """An act that was excluded, and why it need not have been."""

    activity_id: str = Field(max_length=64)
    note: Note


class IssuanceStepInput(_Input):
    """Why a step is taken."""

    reason: Note


class StatementInput(_Input):
    """What the verifier says: signs, or returns it with remarks."""

    decision: Literal["signed", "returned"]
    evidence_sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="Of `issuance.json` of the package that was looked at"
    )
    remarks: Note


class NoticeInput(_Input):
    """Begin the public notice."""

    working_days: int = Field(default=7, ge=5, le=60, strict=True)
    ends_on: datetime.date | None = Field(
        default=None, description="A later last day; needed where next year's days off are not published yet"
    )
    reason: Note


class ObjectionInput(_Input):
    """An objection that came in, as its sender may be named in public."""

    objector: Text
    text: Note
    received_at: Moment


class ObjectionAnswerInput(_Input):
    """What is answered to an objection."""

    upheld: bool
    answer: Note


class LeftOutView(BaseModel):
    """What stays out for one reason."""

    reason: str
    number: int = Field(description="Entries; acts, of what is held, where nothing is booked")
    net_co2e_g: str


class PreviewView(BaseModel):
    """What the close would take, as of `at`."""

    at: datetime.datetime
    credits_co2e_g: str
    reversals_co2e_g: str
    net_co2e_g: str
    entries: int
    holders: int
    left_out: list[LeftOutView]


class EvidenceFileView(BaseModel):
    """A file of the package."""

    name: str
    sha256: str
    bytes: int


class PublicIssuanceView(BaseModel):
    """An issuance as anybody may see it, from its public notice on."""

    issuance_id: str = Field(description="`iss_…`")
    number: str
    applicant_id: str
    region: str
    methodology_region: str
    methodology_code: str
    methodology_version: str
    vintage: int
    booked_from: datetime.datetime
    booked_until: datetime.datetime
    status: IssuanceStatusWord
    credits_co2e_g: str | None
    reversals_co2e_g: str | None
    brought_co2e_g: str | None = Field(description="Remainder or deficit of the issuance before")
    carried_co2e_g: str | None = Field(description="Less than 1 kg, or a deficit")
    quantity_kg: int | None
    entries: int | None
    root: str | None = Field(description="Of the Merkle sum tree over the entries; hex")
    evidence_sha256: str | None
    verifier_id: str | None
    stated_at: datetime.datetime | None
    noticed_at: datetime.datetime | None
    notice_ends_on: datetime.date | None
    issued_at: datetime.datetime | None
    first_unit: int | None
    last_unit: int | None


class IssuanceView(PublicIssuanceView):
    """An issuance as operators, its applicant and verifiers see it."""

    version: int
    opened_at: datetime.datetime
    preview: PreviewView | None
    closed_at: datetime.datetime | None
    remarks: str = Field(description="The verifier's")
    evidence: list[EvidenceFileView]
    last_error: str = Field(description="Kind of the job's last failure; it tries again")


class PublicIssuanceList(BaseModel):
    """A page of issuances, the newest first."""

    items: list[PublicIssuanceView]
    next_cursor: str | None


class IssuanceList(BaseModel):
    """A page of issuances, the newest first."""

    items: list[IssuanceView]
    next_cursor: str | None


class ExclusionView(BaseModel):
    """An act that stays out; it is an act of a holder, whom it does not tell."""

    activity_id: str
    co2e_g: str = Field(description="What was moved; 0 where nothing of it was open")
    reason: ExclusionReasonWord
    note: str
    excluded_at: datetime.datetime
    included_at: datetime.datetime | None


class ExclusionList(BaseModel):
    """A page of exclusions."""

    items: list[ExclusionView]
    next_cursor: str | None


class ObjectionView(BaseModel):
    """An objection and its answer."""

    objection_id: str = Field(description="`obj_…`")
    objector: str
    text: str
    received_at: datetime.datetime
    upheld: bool | None
    answer: str
    decided_at: datetime.datetime | None


class ObjectionList(BaseModel):
    """All objections to an issuance."""

    items: list[ObjectionView]


def _grams(mg: int | None) -> str | None:
    return None if mg is None else grams(mg)


def public_view(issuance: Issuance, text: Any) -> dict[str, Any]:
    """Fields of `PublicIssuanceView`; `text` has region, code and version of the methodology."""
    return {
        "issuance_id": public_id("iss", issuance.id),
        "number": issuance.number,
        "applicant_id": public_id("org", issuance.applicant_id),
        "region": issuance.region,
        "methodology_region": text["region"],
        "methodology_code": text["code"],
        "methodology_version": text["version"],
        "vintage": issuance.vintage,
        "booked_from": issuance.booked_from,
        "booked_until": issuance.booked_until,
        "status": issuance.status,
        "credits_co2e_g": _grams(issuance.credits_mg),
        "reversals_co2e_g": _grams(issuance.reversals_mg),
        "brought_co2e_g": _grams(issuance.brought_mg),
        "carried_co2e_g": _grams(issuance.carried_mg),
        "quantity_kg": issuance.quantity_kg,
        "entries": issuance.entries,
        "root": None if issuance.root is None else issuance.root.hex(),
        "evidence_sha256": None if issuance.evidence is None else issuance.evidence["sha256"],
        "verifier_id": None if issuance.verifier_id is None else public_id("org", issuance.verifier_id),
        "stated_at": issuance.stated_at,
        "noticed_at": issuance.noticed_at,
        "notice_ends_on": issuance.notice_ends_on,
        "issued_at": issuance.approved_at,
        "first_unit": issuance.first_unit,
        "last_unit": issuance.last_unit,
    }


def full_view(issuance: Issuance, text: Any) -> dict[str, Any]:
    """Fields of `IssuanceView`."""
    files = {} if issuance.evidence is None else issuance.evidence["files"]
    return public_view(issuance, text) | {
        "version": issuance.version,
        "opened_at": issuance.opened_at,
        "preview": _preview(issuance),
        "closed_at": issuance.closed_at,
        "remarks": issuance.remarks,
        "evidence": [{"name": name, **described} for name, described in sorted(files.items())],
        "last_error": issuance.last_error,
    }


def _preview(issuance: Issuance) -> dict[str, Any] | None:
    found = issuance.preview
    if found is None:
        return None
    return {
        "at": issuance.previewed_at,
        "credits_co2e_g": grams(found["credits_mg"]),
        "reversals_co2e_g": grams(found["reversals_mg"]),
        "net_co2e_g": grams(found["credits_mg"] - found["reversals_mg"]),
        "entries": found["entries"],
        "holders": found["holders"],
        "left_out": [
            {"reason": each["reason"], "number": each["number"], "net_co2e_g": grams(each["net_mg"])}
            for each in found["left_out"]
        ],
    }


def objection_view(objection: IssuanceObjection) -> dict[str, Any]:
    """Fields of `ObjectionView`."""
    return {
        "objection_id": public_id("obj", objection.id),
        "objector": objection.objector,
        "text": objection.text,
        "received_at": objection.received_at,
        "upheld": objection.upheld,
        "answer": objection.answer,
        "decided_at": objection.decided_at,
    }
