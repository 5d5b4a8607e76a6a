"""What is said of members, invitations and clients of an enterprise."""

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from accounts.enterprises.members import CODE_ALPHABET, CODE_LENGTH
from accounts.enterprises.roles import Role

Label = Annotated[str, StringConstraints(max_length=30, pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RoleInput(_Input):
    """The role that a member or a client gets."""

    role: Role


class MemberInvitation(RoleInput):
    """Whom to invite, and as what."""

    label: Label = Field(
        default="", description="What you call them; forgotten with the membership", examples=["王工"]
    )


class InvitationUse(_Input):
    """The code that an owner passed on."""

    code: Annotated[
        str,
        StringConstraints(pattern=rf"^[{CODE_ALPHABET}]{{{CODE_LENGTH}}}$"),
        Field(examples=["7K3M9PQ2TX7K3M9PQ2TX"]),
    ]


class OwnerAppointment(_Input):
    """A resident who has shown that they act for the enterprise."""

    owner_id: str = Field(description="`hld_…`", max_length=40)
    reason: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")


class MemberView(BaseModel):
    """A member; who they are in their own account is not told."""

    member_id: str
    role: Role
    label: str
    me: bool
    joined_at: datetime.datetime


class MemberList(BaseModel):
    """Members, never more than 100."""

    items: list[MemberView]
    next_cursor: None = None


class InvitationView(BaseModel):
    """An invitation; its code is shown once, to who made it."""

    invitation_id: str
    role: Role
    label: str
    created_at: datetime.datetime
    expires_at: datetime.datetime
    used_at: datetime.datetime | None
    withdrawn_at: datetime.datetime | None
    code: str | None = None


class InvitationList(BaseModel):
    """A page of invitations."""

    items: list[InvitationView]
    next_cursor: str | None


class EnterpriseClientView(BaseModel):
    """A client of the enterprise; its secret is shown once, to who made it."""

    client_id: str
    role: Role | None = Field(description="Null where it was registered with scopes of its own")
    scopes: list[str]
    created_at: datetime.datetime
    disabled_at: datetime.datetime | None
    secret: str | None = None


class EnterpriseClientList(BaseModel):
    """Clients, disabled ones too, never more than 200."""

    items: list[EnterpriseClientView]
    next_cursor: None = None


class MembershipView(BaseModel):
    """An enterprise that I belong to."""

    enterprise_id: str
    name: str
    member_id: str
    role: Role
    joined_at: datetime.datetime


class MembershipList(BaseModel):
    """Enterprises that I belong to, never more than 20."""

    items: list[MembershipView]
    next_cursor: None = None


class EnterpriseToken(BaseModel):
    """An access token with which a member speaks for the enterprise. It ends with the member's own session."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Seconds")
    scope: str
