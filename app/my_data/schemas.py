"""What residents and operators say and see of exports, erasure, corrections and who read what."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from accounts.fields import Region, Text
from accounts.ids import public_id
from app.my_data.access import What

if TYPE_CHECKING:
    from app.my_data.models import AccessRecord

ACTIVITY_ID = "act_01a1fc693a86700e9ae525ac545ac6cd"


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ExportView(BaseModel):
    """An export of mine."""

    export_id: str
    state: Literal["waiting", "running", "ready", "failed", "gone"]
    progress_percent: int
    requested_at: str
    ready_at: str | None
    expires_at: str | None = Field(description="From then on it is gone")
    size_bytes: int | None
    link: str | None = Field(
        description="While it is ready: a signed path that needs no token, for ten minutes; ask again for another"
    )


class ExportList(BaseModel):
    """A page of exports, the newest first; links are with each one alone."""

    items: list[ExportView]
    next_cursor: str | None


class ErasureView(BaseModel):
    """A wish to be forgotten that waits."""

    erasure_id: str
    requested_at: str
    due_at: str = Field(description="Until then it can be cancelled")
    notice: dict[str, str] = Field(description="What is destroyed and what stays, `zh` and `en`")


class CancelledAnswer(BaseModel):
    """The wish is taken back."""

    cancelled: Literal[True] = True


class AccessView(BaseModel):
    """Somebody read my data."""

    access_id: str
    at: str
    reader: str = Field(description="The organisation's name at that time, or `signed link`")
    what: What
    target: str = Field(
        description="Public id of what was read; of a bank the grant's, empty where none was live"
    )
    purpose: str | None = Field(description="What a bank asked for; null for all others")
    refused: str | None = Field(
        description="Why a bank was refused: `no_consent`, `withdrawn`, `expired`, `wrong_purpose`, `wider_scope`, "
        "`other_bank`, `no_sign_in`; null where it was answered"
    )


class AccessList(BaseModel):
    """A page of reads, the newest first."""

    items: list[AccessView]
    next_cursor: str | None


class CorrectionInput(_Input):
    """What is wrong: my region, or one of my activities."""

    subject: Literal["region", "activity"]
    region: Region | None = Field(default=None, description="With `region`: what it should be")
    activity_id: str | None = Field(default=None, description="With `activity`", examples=[ACTIVITY_ID])
    explanation: Text = Field(examples=["I was not on this trip"])

    @model_validator(mode="after")
    def _fits(self) -> "CorrectionInput":
        given = {"region": self.region, "activity": self.activity_id}
        if given.pop(self.subject) is None or any(value is not None for value in given.values()):
            raise ValueError("exactly the field that goes with the subject is needed")
        return self


class CorrectionView(BaseModel):
    """A request for a correction."""

    correction_id: str
    subject: Literal["region", "activity"]
    target: str = Field(description="The region wished for, or the activity")
    explanation: str
    requested_at: str
    decided_at: str | None
    accepted: bool | None
    reason: str


class CorrectionList(BaseModel):
    """A page of requests, the newest first."""

    items: list[CorrectionView]
    next_cursor: str | None


class RegionalCorrectionView(CorrectionView):
    """A request as operators see it."""

    holder_id: str
    region: str = Field(description="Of the holder when it asked")


class RegionalCorrectionList(BaseModel):
    """A page of requests of the region, the newest first."""

    items: list[RegionalCorrectionView]
    next_cursor: str | None


class CorrectionDecisionInput(_Input):
    """What becomes of a request."""

    accepted: bool = Field(strict=True)
    reason: Text = Field(examples=["address proof seen"])


def access_view(row: "AccessRecord") -> dict[str, Any]:
    """A read as its holder sees it."""
    return AccessView.model_validate(
        {
            "access_id": public_id("acc", row.id),
            "at": row.at.isoformat(),
            "reader": row.reader_name,
            "what": row.what,
            "target": row.target,
            "purpose": row.purpose,
            "refused": row.refused,
        }
    ).model_dump()
