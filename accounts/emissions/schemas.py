"""What enterprises and operators say of emissions, and what they see."""

import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.emissions.factors import FactorKind
from accounts.fields import Region, Text

Month = Annotated[
    str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$"), Field(examples=["2025-06"])
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Field(examples=["ab" * 32])]
Identifier = Annotated[str, StringConstraints(max_length=40)]
Grams = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,3})?$"),
    Field(examples=["12500000"], description="Grams of CO2e, to the milligram"),
]
FactorValue = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,5})(\.[0-9]{1,12})?$"),
    Field(examples=["0.4974"], description="A decimal in the unit of the kind"),
]
MAX_WH = 10**16


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EvidenceInput(_Input):
    """The document that an entry rests on."""

    reference: Text = Field(examples=["检测报告 2025-118"], description="Under which it is found")
    sha256: Sha256


class FuelInput(_Input):
    """What a meter's coal, oil or gas is, from a month on."""

    meter_id: Identifier
    from_month: Month
    fuel: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")] = Field(examples=["diesel"])
    furnace: Literal["power_boiler", "industrial_boiler", "cement_kiln"] | None = Field(
        default=None, description="Needed for coal and coke, and for nothing else: where it burns"
    )
    document_reference: Text


class CertificateInput(_Input):
    """A green power certificate that was cancelled for the enterprise."""

    number: Text = Field(examples=["GEC-2025-330800-0000001"])
    issuer: Text = Field(examples=["国家可再生能源信息管理中心"])
    energy_wh: int = Field(gt=0, le=MAX_WH)
    first_month: Month
    last_month: Month = Field(description="Inclusive; of the same year")
    cancelled_on: datetime.date
    evidence: EvidenceInput


class CertificateWithdrawal(_Input):
    """Why a certificate was entered wrongly."""

    reason: Text


class ProcessInput(_Input):
    """Emissions of a process in one month."""

    site_id: Identifier
    line_id: Identifier | None = None
    month: Month
    process: Text = Field(examples=["石灰石分解"])
    co2e_g: Grams
    evidence: EvidenceInput


class ProcessReplacement(_Input):
    """What an entry should have been; `0` takes it back."""

    co2e_g: Grams
    evidence: EvidenceInput
    reason: Text


class FactorInput(_Input):
    """A factor to be put in force over those that ship. That of the grid and `residual` are of one year."""

    kind: FactorKind
    region: Region = Field(description="Where it holds, with all parts")
    fuel: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")] | None = None
    furnace: Literal["power_boiler", "industrial_boiler", "cement_kiln"] | None = None
    value: FactorValue
    accounting_year: int | None = Field(default=None, ge=2000, le=2200, description="Of the activity")
    first_month: Month | None = Field(default=None, description="Where no `accounting_year` is given")
    last_month: Month | None = Field(default=None, description="Inclusive; open where absent")
    data_year: int | None = Field(default=None, ge=1990, le=2200)
    published: datetime.date | None = None
    notice_no: Text | None = None
    source: Text
    url: Text | None = None
    confidence: Literal["quoted", "derived", "provisional"] = "quoted"
    reason: Text


class FactorApproval(_Input):
    """Why a second operator puts it in force."""

    reason: Text


class FuelView(BaseModel):
    """A word about a meter's fuel."""

    fuel_id: str
    meter_id: str
    from_month: str
    fuel: str
    furnace: str | None
    document_reference: str
    entered_by: str
    created_at: datetime.datetime


class CertificateView(BaseModel):
    """A certificate as it was entered."""

    certificate_id: str
    number: str
    issuer: str
    energy_wh: int
    first_month: str
    last_month: str
    cancelled_on: datetime.date
    evidence: EvidenceInput
    entered_by: str
    created_at: datetime.datetime
    withdrawn_at: datetime.datetime | None
    withdrawn_by: str | None
    withdrawn_reason: str


class ProcessView(BaseModel):
    """Process emissions as they were entered; `replaces` names the row that this one corrects."""

    process_id: str
    site_id: str
    line_id: str | None
    month: str
    process: str
    co2e_g: str
    evidence: EvidenceInput
    replaces: str | None
    reason: str
    entered_by: str
    created_at: datetime.datetime


class FactorShown(BaseModel):
    """A factor with where it comes from: year of the data, day of publication and accounting year stand apart."""

    factor_id: str
    kind: FactorKind
    fuel: str | None
    region: str
    value: str
    unit: str
    parameters: dict[str, str] = Field(description="Of fuels: what the value is the product of, with 44/12")
    first_day: datetime.date
    last_day: datetime.date | None
    accounting_year: int | None
    data_year: int | None
    published: datetime.date | None
    notice_no: str | None
    source: str
    url: str | None
    confidence: str


class FactorUsed(FactorShown):
    """A factor that a report used."""

    of_earlier_year: bool = Field(description="The newest of an earlier year, since the year has none yet")


class FactorProposal(FactorShown):
    """A factor of a deployment."""

    reason: str
    proposed_by: str
    proposed_at: datetime.datetime
    approved_by: str | None
    approved_at: datetime.datetime | None = Field(description="From when it is in force")


class FuelList(BaseModel):
    """A page of words about fuels, the newest first."""

    items: list[FuelView]
    next_cursor: str | None


class CertificateList(BaseModel):
    """A page of certificates, the newest first."""

    items: list[CertificateView]
    next_cursor: str | None


class ProcessList(BaseModel):
    """A page of process emissions, the newest first."""

    items: list[ProcessView]
    next_cursor: str | None


class FactorProposalList(BaseModel):
    """A page of factors, the newest first."""

    items: list[FactorProposal]
    next_cursor: str | None


class SiteEmissions(BaseModel):
    """What a site emitted."""

    site_id: str
    name: str
    co2e_g: str


class LineEmissions(BaseModel):
    """A line's share of its site's; without an id, what no line's meter saw."""

    line_id: str | None
    name: str | None
    co2e_g: str


class ActivityShown(BaseModel):
    """One carrier of one site in one month: the amount that emissions are counted of, and its factor."""

    site_id: str
    carrier: str
    fuel: str | None
    month: str
    energy_wh: int | None = Field(default=None, description="Bought power")
    own_energy_wh: int | None = Field(default=None, description="Own solar power that stayed")
    exported_energy_wh: int | None = None
    green_energy_wh: int | None = Field(default=None, description="Of the bought, covered by certificates")
    volume_l: int | None = None
    mass_g: int | None = None
    heat_kj: int | None = None
    factor_id: str | None = Field(description="Null where nothing was bought or burnt")
    quarters_measured: int
    quarters_estimated: int
    quarters_missing: int


class GapShown(BaseModel):
    """An amount whose emissions are in no figure, and why."""

    site_id: str
    carrier: str
    fuel: str | None
    month: str
    energy_wh: int | None = None
    volume_l: int | None = None
    mass_g: int | None = None
    heat_kj: int | None = None
    reason: Literal["factor_missing", "fuel_unknown", "outside_boundary"]


class CertificateUse(BaseModel):
    """A certificate, and how much of it is used in its year."""

    number: str
    energy_wh: int
    used_wh: int
    first_month: str
    last_month: str


class ProcessShown(BaseModel):
    """Process emissions of a month."""

    process_id: str
    site_id: str
    line_id: str | None
    month: str
    co2e_g: str


class SiteBoundary(BaseModel):
    """A site within the boundary."""

    site_id: str
    name: str
    region: str


class MeterBoundary(BaseModel):
    """A meter that counts."""

    meter_id: str
    number: str
    carrier: str
    flow: str


class Boundary(BaseModel):
    """What the figures are of."""

    organisation: str
    region: str
    sites: list[SiteBoundary]
    meters: list[MeterBoundary]
    sources: list[str]
    excluded: list[str]


class Quality(BaseModel):
    """Quarter-hours of the meters that count, by how they are known, and remarks."""

    quarters_measured: int
    quarters_estimated: int
    quarters_missing: int
    remarks: list[str]


class EmissionContent(BaseModel):
    """Emissions of a time with all that they come from."""

    first_day: datetime.date
    last_day: datetime.date
    co2e_g: str = Field(description="Rounded once, from the exact sum of all parts")
    complete: bool = Field(description="Nothing within the boundary is without a factor or a reading")
    by_month: dict[str, str]
    by_carrier: dict[str, str]
    by_site: list[SiteEmissions]
    by_line: list[LineEmissions]
    activities: list[ActivityShown]
    gaps: list[GapShown]
    factors: list[FactorUsed]
    certificates: list[CertificateUse]
    processes: list[ProcessShown]
    boundary: Boundary
    method: dict[str, str]
    quality: Quality


class EmissionFigure(BaseModel):
    """One figure of a breakdown; its key is a month, a carrier, a site or a line."""

    key: str | None = Field(description="Null: what no line's meter saw")
    name: str | None
    co2e_g: str


class Emissions(BaseModel):
    """Emissions of a time, by what was asked, with boundary and method."""

    first_day: datetime.date
    last_day: datetime.date
    by: Literal["month", "carrier", "site", "line"]
    co2e_g: str
    complete: bool
    items: list[EmissionFigure]
    gaps: list[GapShown]
    factors: list[FactorUsed]
    boundary: Boundary
    method: dict[str, str]
    quality: Quality


class MonthReport(EmissionContent):
    """A month's report: computed now, or as a statement kept it."""

    month: str
    statement_id: str | None = Field(description="`emi_…`; null where it is computed now")
    computed_at: datetime.datetime


class StatementView(BaseModel):
    """A kept statement in a few words."""

    statement_id: str
    month: str
    computed_at: datetime.datetime
    co2e_g: str
    changed: list[Literal["first", "activity", "factors", "certificates", "processes", "boundary"]] = Field(
        description="What differs from the statement before"
    )
    sha256: str


class StatementList(BaseModel):
    """A page of statements, the newest first."""

    items: list[StatementView]
    next_cursor: str | None


class StatementMade(BaseModel):
    """The statement of a month that counts, and whether it is a new one."""

    made: bool
    statement: StatementView
