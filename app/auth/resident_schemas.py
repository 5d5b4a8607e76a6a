"""What residents send to sign in, and what they get."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints

from accounts.fields import Region, Text

MAX_CODE = 512
Code = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CODE, pattern=r"^[\x21-\x7e]+$")]
SmsCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
Token = Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=r"^[\x21-\x7e]+$")]
Device = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Phone = Annotated[Text, Field(examples=["13900000001"], description="Mainland mobile number")]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PhoneCodeInput(_Input):
    """Where to send a one-time code."""

    phone: Phone
    device_id: Code | None = Field(
        default=None, description="The app's own id of the device; codes are counted under it too"
    )


class PhoneCodeAnswer(BaseModel):
    """The code is on its way. The same answer whether the number is known or not."""

    expires_in: int = Field(description="Seconds that the code counts")
    resend_after: int = Field(description="Seconds until another can be asked for")


class _SignIn(_Input):
    device: Device = Field(
        default="", description="What the list of one's devices shows", examples=["iPhone 15"]
    )
    region: Region | None = Field(default=None, description="Of a new account")
    is_14_or_older: bool = Field(default=False, description="Declared by the person; a new account needs it")
    new_owner: bool = Field(
        default=False,
        description="I got this number newly; an account under it that was not proven for long is not mine",
    )


class ByPhone(_SignIn):
    """With the code that came by SMS. A `binding_token` adds the provider's identity to the account."""

    method: Literal["phone"]
    phone: Phone
    code: SmsCode
    binding_token: Token | None = None


class ByWeChat(_SignIn):
    """With the code of `wx.login`."""

    method: Literal["wechat"]
    code: Code


class ByWeChatPhone(_SignIn):
    """With the code of WeChat's phone number button, after `phone_needed`."""

    method: Literal["wechat_phone"]
    phone_code: Code
    binding_token: Token


class ByAlipay(_SignIn):
    """With the `auth_code` of `my.getAuthCode`."""

    method: Literal["alipay"]
    auth_code: Code


class SignInInput(
    RootModel[Annotated[ByPhone | ByWeChat | ByWeChatPhone | ByAlipay, Field(discriminator="method")]]
):
    """One of the ways to sign in, by `method`."""


class MorePhone(_Input):
    """A further phone number, with its code."""

    method: Literal["phone"]
    phone: Phone
    code: SmsCode
    new_owner: bool = Field(default=False, description="I got this number newly")


class MoreWeChat(_Input):
    """A WeChat user, with the code of `wx.login`."""

    method: Literal["wechat"]
    code: Code


class MoreAlipay(_Input):
    """An Alipay user, with the `auth_code`."""

    method: Literal["alipay"]
    auth_code: Code


class SignInMethodInput(
    RootModel[Annotated[MorePhone | MoreWeChat | MoreAlipay, Field(discriminator="method")]]
):
    """A further way to sign in to one's account, by `method`."""


class SessionAnswer(BaseModel):
    """Signed in."""

    status: Literal["signed_in"] = "signed_in"
    holder_id: str
    created: bool = Field(description="Whether the account is new")
    session_id: str = Field(description="`ses_…`")
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Seconds that the access token counts")
    scope: str
    refresh_token: str = Field(description="Used once, for the next pair")
    refresh_expires_at: str


class PhoneNeededAnswer(BaseModel):
    """Nobody has this identity yet: prove a phone number together with the token."""

    status: Literal["phone_needed"] = "phone_needed"
    binding_token: str
    expires_in: int = Field(description="Seconds")


class RefreshInput(_Input):
    """The refresh token of the last answer."""

    refresh_token: Token


class SessionView(BaseModel):
    """A device that is signed in."""

    session_id: str
    method: Literal["phone", "wechat", "alipay"]
    device: str
    created_at: str
    last_used_at: str
    expires_at: str
    current: bool


class SessionList(BaseModel):
    """Devices, the latest used first; never more than ten."""

    items: list[SessionView]
    next_cursor: None = None


class EndedAnswer(BaseModel):
    """How many sessions ended."""

    ended: int


class SignInMethodView(BaseModel):
    """A way that leads to the account; what it is stays a keyed hash."""

    scheme: str
    proof: str
    proven_at: str


class SignInMethodList(BaseModel):
    """Ways that lead to the account, the oldest first; at most 200."""

    items: list[SignInMethodView]
    next_cursor: None = None


class SignInMethodAnswer(BaseModel):
    """The account that has the sign-in now.

    Where it is another one than before, this one was empty and became part of it: `session` replaces the present one.
    """

    holder_id: str
    merged: bool
    session: SessionAnswer | None


class ChildInput(_Input):
    """A child's account. Of the birth date only the month from which the child is 14 is kept."""

    birth_month: Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")] = Field(
        examples=["2016-03"]
    )
    label: Text = Field(examples=["Xiaoming"], description="What the guardian calls the child")
    region: Region | None = Field(default=None, description="The guardian's where absent")


class ChildView(BaseModel):
    """A child in the guardian's care."""

    holder_id: str
    label: str
    minor_until: str = Field(description="YYYY-MM-DD")


class ChildList(BaseModel):
    """Children in the guardian's care; never more than ten."""

    items: list[ChildView]
    next_cursor: None = None


class ChildToken(BaseModel):
    """An access token for the child's account; it ends with the guardian's session."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Seconds")
    scope: str


class RealNameInput(_Input):
    """What an operator has seen: the person's papers, and the phone that the person has now."""

    id_no: Text = Field(examples=["11010519491231002X"])
    phone: Phone | None = Field(default=None, description="Leads to this account from now on")
    reason: Text = Field(examples=["papers seen at the counter"])


class RealNameAnswer(BaseModel):
    """The account of the person; `merged` where another, empty one became part of it."""

    holder_id: str
    merged: bool
