"""What operators and enterprises say of enterprises, and what they see."""

import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from accounts.enterprises.carriers import FLOWS, Carrier, Flow, Reading
from accounts.enterprises.industries import Domain, is_industry_code
from accounts.fields import Moment, Region, Text

MAX_REGISTER = 10**15
"""In base units; a terawatt-hour."""


def _industry(code: str) -> str:
    if not is_industry_code(code):
        raise ValueError("not of the shape of GB/T 4754-2017: section, division, group, class, as in C3130")
    return code


IndustryCode = Annotated[
    str,
    Field(description="GB/T 4754-2017: section and division, perhaps group and class", examples=["C3130"]),
    StringConstraints(pattern=r"^[A-T][0-9]{2,4}$"),
    AfterValidator(_industry),
]
Number = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$")]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EnterpriseInput(_Input):
    """What an enterprise is. The industry decides whom it is compared with, so that its operator enters it.

    Its region is where it is registered, for good; what supplies it with power is said of each site.
    """

    name: Text = Field(examples=["衢江特钢有限公司"])
    domain: Domain
    industry_code: IndustryCode | None = Field(default=None, description="Needed outside `residential`")

    @model_validator(mode="after")
    def _has_industry(self) -> Self:
        if self.industry_code is None and self.domain is not Domain.RESIDENTIAL:
            raise ValueError("an industry code is needed in this domain")
        return self


class EnterpriseOnboarding(EnterpriseInput):
    """An enterprise to be onboarded, with its first owner where somebody has shown that they act for it."""

    uscc: Text = Field(
        examples=["91330800MA0000001K"],
        description="统一社会信用代码 (GB 32100). Hashed on arrival; never stored or logged",
    )
    region: Region = Field(examples=["330800"])
    owner_id: str | None = Field(default=None, description="`hld_…` of a resident", max_length=40)


class SiteInput(_Input):
    """A site."""

    name: Text = Field(examples=["一厂区"])
    region: Region = Field(examples=["330800"], description="Whose grid supplies it")


class LineInput(_Input):
    """A line's name."""

    name: Text = Field(examples=["1号轧线"])


class LineCreation(LineInput):
    """A line of a site."""

    site_id: str = Field(max_length=40, examples=["sit_" + "0" * 32])


class MeterInput(_Input):
    """What of a meter can change while it hangs there."""

    line_id: str | None = Field(default=None, max_length=40)
    counts: bool = Field(default=True, description="Part of the site's total; false for a sub-meter")
    register_max: int | None = Field(
        default=None,
        ge=1,
        le=MAX_REGISTER,
        strict=True,
        description="Where a cumulative register begins anew at 0, in base units: six digits of kWh are 1000000000",
    )


class MeterCreation(MeterInput):
    """A meter that was installed. Its unit follows from its carrier; another carrier is another meter."""

    site_id: str = Field(max_length=40, examples=["sit_" + "0" * 32])
    number: Number = Field(description="Of the device or point; the enterprise's own, used once")
    carrier: Carrier
    flow: Flow = Flow.USE
    reading: Reading = Reading.INTERVAL
    installed_at: Moment

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.carrier not in FLOWS[self.flow]:
            raise ValueError(f"there is no {self.flow} of {self.carrier}")
        if self.register_max is not None and self.reading is not Reading.CUMULATIVE:
            raise ValueError("only a cumulative register begins anew")
        return self


class MeterRemoval(_Input):
    """When a meter was taken away. What it measured until then stays."""

    removed_at: Moment


class EnterpriseView(BaseModel):
    """An enterprise."""

    enterprise_id: str = Field(description="`hld_…`: it is a holder like any other")
    name: str
    domain: Domain
    industry_code: str | None
    region: str
    version: int
    created_at: datetime.datetime


class EnterpriseList(BaseModel):
    """A page of enterprises."""

    items: list[EnterpriseView]
    next_cursor: str | None


class SiteView(BaseModel):
    """A site."""

    site_id: str
    name: str
    region: str
    version: int
    created_at: datetime.datetime


class SiteList(BaseModel):
    """A page of sites."""

    items: list[SiteView]
    next_cursor: str | None


class LineView(BaseModel):
    """A line."""

    line_id: str
    site_id: str
    name: str
    version: int
    created_at: datetime.datetime


class LineList(BaseModel):
    """A page of lines."""

    items: list[LineView]
    next_cursor: str | None


class MeterView(BaseModel):
    """A meter; `unit_field` is the name that its amounts have in readings."""

    meter_id: str
    site_id: str
    line_id: str | None
    number: str
    carrier: Carrier
    unit_field: str
    flow: Flow
    reading: Reading
    register_max: int | None
    counts: bool
    installed_at: datetime.datetime
    removed_at: datetime.datetime | None
    version: int
    created_at: datetime.datetime


class MeterList(BaseModel):
    """A page of meters."""

    items: list[MeterView]
    next_cursor: str | None
