"""Drafting: from a version, a text or nothing; edited until it is approved; submitted when it holds."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError

from accounts.errors import Fault
from accounts.ids import public_id, uuid7
from app.auth import audit
from app.problems import RequestError
from app.versions import repository
from app.versions.errors import (
    DoesNotHold,
    EditedMeanwhile,
    Immutable,
    OutOfRegion,
    RevisionNotFound,
    VersionExists,
    WrongState,
    at,
)
from app.versions.models import Revision, State
from app.versions.schemas import DraftInput, Origin
from app.versions.text import read
from methodologies.checking import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmodel.ext.asyncio.session import AsyncSession

    from app.auth.principal import Principal
    from app.versions.schemas import TextInput
    from methodologies import Catalogue

EARLIEST, LATEST = datetime.date(2000, 1, 1), datetime.date(2200, 1, 1)
IDENTITY = ("region", "scene", "code", "version")
_DRAFT: TypeAdapter[DraftInput] = TypeAdapter(DraftInput)


@dataclass(frozen=True)
class Actor:
    """Who acts, when and from where: what every step writes down."""

    principal: "Principal"
    now: datetime.datetime
    address: str


def skeleton(identity: dict[str, Any]) -> dict[str, Any]:
    """A text that has every key a methodology needs and says nothing yet."""
    return {
        **identity,
        "title": {"zh": "", "en": ""},
        "authority": None,
        "document": {"title": ""},
        "filing_no": None,
        "in_force": {"from": None, "to": None},
        "status": "unverified",
        "confidence": "provisional",
        "provisional": True,
        "inputs": [],
        "parameters": [],
        "formula": "",
        "claims": [],
        "examples": [],
    }


async def create(
    session: "AsyncSession", catalogue: "Catalogue", actor: Actor, wanted: DraftInput
) -> Revision:
    """A new draft. Raises `OutOfRegion`, `VersionExists`, `RevisionNotFound` of an origin that is not there."""
    text: dict[str, Any] = dict(wanted.methodology or {})
    origin = ""
    if wanted.from_ is not None:
        if wanted.methodology is not None:
            raise RequestError("request.invalid", Fault("/from", "give either from or methodology"))
        text = orjson.loads(await _content_of(session, catalogue, actor, wanted.from_))
        origin = f"{wanted.from_.region} {wanted.from_.code} {wanted.from_.version}"
    identity: dict[str, Any] = {name: getattr(wanted, name) or text.get(name) for name in IDENTITY}
    try:
        # What comes from a text is held to the same shape as what is named beside it.
        _DRAFT.validate_python(identity)
    except ValidationError as error:
        raise RequestError(
            "request.invalid", *(Fault(f"/{each['loc'][0]}", each["msg"]) for each in error.errors())
        ) from None
    if missing := [name for name, value in identity.items() if value is None]:
        raise RequestError("request.invalid", *(Fault(f"/{name}", "is needed") for name in missing))
    if not actor.principal.may_see_region(identity["region"]):
        raise OutOfRegion
    if misplaced := out_of_place(catalogue, actor.principal, identity):
        raise RequestError("request.invalid", *faults(misplaced))
    await repository.lock_scene(session, identity["scene"])
    if await repository.is_taken(session, identity["region"], identity["code"], identity["version"]):
        raise VersionExists
    revision = Revision(
        id=uuid7(actor.now),
        **identity,
        origin=origin,
        content=stored({**text, **identity} if text else skeleton(identity)),
        authors=[actor.principal.client_id],
        created_at=actor.now,
        updated_at=actor.now,
    )
    session.add(revision)
    await session.flush()
    await write_down(session, actor, "methodology.drafted", revision, wanted.reason or "", None)
    return revision


def out_of_place(catalogue: "Catalogue", principal: "Principal", text: "Mapping[str, Any]") -> list[Problem]:
    """What a draft would be refused for, however well its text holds: a foreign region, a scene that is none."""
    region, scene = text.get("region"), text.get("scene")
    found = []
    if isinstance(region, str) and not principal.may_see_region(region):
        found.append(Problem("/region", "该地区不在权限范围内", "this region is not yours"))
    if isinstance(scene, str) and scene not in catalogue.scenes():
        found.append(Problem("/scene", "没有这个场景", "no such scene"))
    return found


async def edit(
    session: "AsyncSession", actor: Actor, revision_id: UUID, etag: int, wanted: "TextInput"
) -> Revision:
    """Replace the text; what was in shadow is a draft again. Raises `Immutable` from the approval on."""
    text = wanted.methodology
    revision = await take(session, actor, revision_id)
    if revision.state(actor.now) not in (State.DRAFT, State.SHADOW):
        raise Immutable
    before = same_etag(revision, etag)
    wrong = [name for name in IDENTITY if text.get(name) != getattr(revision, name)]
    if wrong:
        raise DoesNotHold(
            *(
                at(
                    f"/{name}",
                    f"须与草稿的 {name} 相同；另立版本请新建草稿",
                    f"must be the draft's own {name}; another one needs another draft",
                )
                for name in wrong
            )
        )
    revision.content = stored(text)
    revision.content_hash = revision.first_day = revision.last_day = revision.submitted_at = None
    if actor.principal.client_id not in revision.authors:
        revision.authors = [*revision.authors, actor.principal.client_id]
    await write_down(session, actor, "methodology.edited", revision, wanted.reason or "", before)
    return revision


async def submit(
    session: "AsyncSession", actor: Actor, revision_id: UUID, etag: int, reason: str
) -> Revision:
    """Move a draft to shadow; from here on its text is canonical. Raises `DoesNotHold` with all that is wrong."""
    revision = await take(session, actor, revision_id)
    if revision.state(actor.now) is not State.DRAFT:
        raise WrongState
    before = same_etag(revision, etag)
    built, problems = read(orjson.loads(revision.content))
    if built is None:
        raise DoesNotHold(*faults(problems))
    if not EARLIEST <= built.in_force.first_day <= (built.in_force.last_day or LATEST) <= LATEST:
        raise DoesNotHold(
            at("/in_force", "须在 2000 年至 2200 年之间", "must lie between the years 2000 and 2200")
        )
    revision.content, revision.content_hash = built.content, built.content_hash
    revision.first_day, revision.last_day = built.in_force
    revision.submitted_at = actor.now
    await write_down(session, actor, "methodology.submitted", revision, reason, before)
    return revision


async def take(session: "AsyncSession", actor: Actor, revision_id: UUID) -> Revision:
    """A revision of the caller's region, locked until the transaction ends."""
    revision = await repository.find(session, revision_id, lock=True)
    if revision is None or not actor.principal.may_see_region(revision.region):
        raise RevisionNotFound
    return revision


def same_etag(revision: Revision, etag: int) -> dict[str, Any]:
    """Refuse a write that was made from an earlier state; answers the state, and counts the next one."""
    if revision.etag != etag:
        raise EditedMeanwhile
    before = snapshot(revision)
    revision.etag += 1
    return before


async def write_down(
    session: "AsyncSession",
    actor: Actor,
    action: str,
    revision: Revision,
    reason: str,
    before: dict[str, Any] | None,
) -> None:
    """Store a step and its place in the audit trail."""
    revision.updated_at = actor.now
    session.add(revision)
    await session.flush()
    await audit.append(
        session,
        actor.principal,
        actor.now,
        action,
        ("methodology", public_id("mrv", revision.id)),
        region=revision.region,
        address=actor.address,
        reason=reason,
        before=before,
        after=snapshot(revision),
    )


def snapshot(revision: Revision) -> dict[str, Any]:
    """What the audit trail keeps of a state. A draft's text is told whole, a canonical one by its hash."""
    return {
        "code": revision.code,
        "version": revision.version,
        "etag": revision.etag,
        "content_hash": revision.content_hash,
        "methodology": None if revision.content_hash is not None else orjson.loads(revision.content),
        "submitted_at": revision.submitted_at,
        "approved_at": revision.approved_at,
        "approved_by": revision.approved_by,
        "activates_at": revision.activates_at,
        "retired_at": revision.retired_at,
    }


def faults(problems: list[Problem]) -> list[Fault]:
    """Problems of a text as faults of a request."""
    return [Fault(each.pointer, each.message_en, each.message_zh) for each in problems]


def stored(text: dict[str, Any]) -> str:
    """JSON of a text as it is kept; refuses numbers and depths that it cannot be kept with."""
    try:
        return orjson.dumps(text).decode()
    except TypeError:
        raise RequestError("request.invalid", Fault("/methodology", "cannot be kept as JSON")) from None


async def _content_of(session: "AsyncSession", catalogue: "Catalogue", actor: Actor, origin: Origin) -> str:
    for each in catalogue.methodologies:
        if (each.region, each.code, each.version) == (origin.region, origin.code, origin.version):
            return each.content
    for placeholder in catalogue.placeholders:
        if (placeholder.region, placeholder.code) == (origin.region, origin.code):
            raise RequestError(
                "request.invalid",
                at(
                    "/from",
                    f"仅有占位，取值未得：{placeholder.missing.zh}；请查阅：{placeholder.consult}",
                    f"is a placeholder without values ({placeholder.missing.en}); consult: {placeholder.consult}",
                ),
            )
    found = await repository.named(session, origin.region, origin.code, origin.version)
    if found is None or not actor.principal.may_see_region(found.region):
        raise RevisionNotFound
    return found.content
