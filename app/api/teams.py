"""A resident's teams: family, company, school."""

import datetime
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from accounts.errors import HolderNotFound
from accounts.ids import parse_public_id, public_id
from accounts.quantities import grams
from accounts.standing.equivalents import Words
from accounts.teams import repository, service
from accounts.teams.errors import AlreadyMember, NotOwner, TeamFull, TeamNotFound, TooManyTeams
from app.api import idempotency
from app.api.access import ServicesDep, caller
from app.api.carbon import own, read_json_raw
from app.api.http import json_response, operation
from app.auth import scopes
from app.auth.principal import Principal
from app.database import driver_of
from app.ranks.errors import RanksUnavailable
from app.ranks.names import pseudonym
from app.ranks.store import Ranks, city_of

if TYPE_CHECKING:
    import asyncpg

    from app.wiring import Services

router = APIRouter(prefix="/v1/me/teams", tags=["teams"])
Reading = Annotated[Principal, Depends(caller(scopes.ME_READ))]
Writing = Annotated[Principal, Depends(caller(scopes.ME_WRITE))]
TeamId = Annotated[str, Path(description="`tem_…`", examples=["tem_" + "0" * 32], max_length=40)]
REPEATED = ("request.idempotency_conflict", "storage.unavailable")
Kind = Literal["family", "company", "school"]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TeamInput(_Input):
    """A team to be founded."""

    kind: Kind
    name: Annotated[str, Field(min_length=1, max_length=30, pattern=r"^[^\x00-\x1f\x7f]+$")]


class JoinInput(_Input):
    """The code that the owner passed on."""

    code: Annotated[str, Field(pattern=r"^[0-9A-Z]{10}$", examples=["7K3M9PQ2TX"])]


class TeamSummary(BaseModel):
    """A team in a few words."""

    team_id: str
    kind: Kind
    name: str
    city: str
    owned: bool = Field(description="Whether it is mine")
    code: str | None = Field(description="To join by; for its owner only")


class MemberView(BaseModel):
    """A member by a made-up name, and what it brought since it joined; who brought the same has the same place."""

    member_id: str
    rank: int
    name: Words
    co2e_g: str
    me: bool
    owner: bool


class TeamView(TeamSummary):
    """A team with its members, who brought most first."""

    co2e_g: str = Field(description="Sum of what present members were credited since they joined")
    members: list[MemberView]


class TeamList(BaseModel):
    """The teams I am in."""

    items: list[TeamSummary]


class TeamPlace(BaseModel):
    """A team's place."""

    rank: int
    name: str
    co2e_g: str
    mine: bool


class TeamRank(BaseModel):
    """The rank of a city's teams of one kind."""

    city: str
    kind: Kind
    as_of: datetime.datetime
    participants: int
    own: TeamPlace | None
    top: list[TeamPlace]


_TEAM: TypeAdapter[TeamInput] = TypeAdapter(TeamInput)
_JOIN: TypeAdapter[JoinInput] = TypeAdapter(JoinInput)


def _summary(team: repository.Row, holder_id: UUID) -> dict[str, Any]:
    owned = team["owner_id"] == holder_id
    return {
        "team_id": public_id("tem", team["id"]),
        "kind": team["kind"],
        "name": team["name"],
        "city": city_of(team["region"]),
        "owned": owned,
        "code": team["code"] if owned else None,
    }


def _id(prefix: str, text: str) -> UUID:
    found = parse_public_id(prefix, text)
    if found is None:
        raise TeamNotFound
    return found


async def _mine(driver: "asyncpg.Connection", team_id: UUID, holder_id: UUID) -> repository.Row:
    for team in await repository.teams_of(driver, holder_id):
        if team["id"] == team_id:
            return team
    raise TeamNotFound


async def _view(
    driver: "asyncpg.Connection", services: "Services", team_id: UUID, holder_id: UUID
) -> dict[str, Any]:
    team = await _mine(driver, team_id, holder_id)
    present = await repository.members(driver, team_id)
    until = services.intake.clock() + datetime.timedelta(minutes=1)
    mg = await repository.sums(driver, team_id, min(row["joined_at"] for row in present), until)
    key = services.settings.receipt_key.get_secret_value()
    shown = []
    for row in sorted(present, key=lambda row: (-mg.get(row["id"], 0), row["joined_at"], row["id"])):
        have = mg.get(row["id"], 0)
        zh, en = pseudonym(key, row["holder_id"])
        shown.append(
            MemberView(
                member_id=public_id("mem", row["id"]),
                rank=1 + sum(mg.get(other["id"], 0) > have for other in present),
                name=Words(zh=zh, en=en),
                co2e_g=grams(have),
                me=row["holder_id"] == holder_id,
                owner=row["holder_id"] == team["owner_id"],
            )
        )
    total = grams(sum(mg.values()))
    return TeamView(**_summary(team, holder_id), co2e_g=total, members=shown).model_dump(mode="json")


Step = Callable[["asyncpg.Connection"], Awaitable[UUID]]


async def _write(
    request: Request, principal: Principal, services: "Services", raw: bytes, step: Step
) -> Response:
    """Run a step on teams, and answer the team as it is then."""

    async def act(session: Any) -> Any:
        driver = await driver_of(session)
        return await _view(driver, services, await step(driver), own(principal))

    return await idempotency.write(request, principal, services, raw, act)


@router.post(
    "",
    response_model=TeamView,
    summary="Found a team",
    **operation(
        scopes.ME_WRITE,
        body=TeamInput,
        examples=[{"kind": "family", "name": "三口之家"}],
        errors=(TooManyTeams, HolderNotFound, *REPEATED),
    ),
)
async def found_team(request: Request, principal: Writing, services: ServicesDep) -> Response:
    """The founder owns it; the answer has the code that others join by."""
    holder_id = own(principal)
    raw, body = await read_json_raw(request, _TEAM)
    now = services.intake.clock()
    return await _write(
        request,
        principal,
        services,
        raw,
        lambda driver: service.create(driver, holder_id, body.kind, body.name, now),
    )


@router.post(
    "/join",
    response_model=TeamView,
    summary="Join a team by its code",
    **operation(
        scopes.ME_WRITE,
        body=JoinInput,
        examples=[{"code": "7K3M9PQ2TX"}],
        errors=(
            TeamNotFound,
            TeamFull,
            TooManyTeams,
            AlreadyMember,
            HolderNotFound,
            "auth.unavailable",
            *REPEATED,
        ),
    ),
)
async def join_team(request: Request, principal: Writing, services: ServicesDep) -> Response:
    """Codes cannot be tried out: attempts are limited, and refused where they cannot be counted."""
    holder_id = own(principal)
    raw, body = await read_json_raw(request, _JOIN)
    await services.limiter.check_secret(f"team:{holder_id.hex}")
    now = services.intake.clock()
    return await _write(
        request, principal, services, raw, lambda driver: service.join(driver, holder_id, body.code, now)
    )


@router.get("", response_model=TeamList, summary="My teams", **operation(scopes.ME_READ))
async def my_teams(principal: Reading, services: ServicesDep) -> Response:
    """In the order in which I joined them."""
    holder_id = own(principal)
    async with services.database.snapshot() as driver:
        found = await repository.teams_of(driver, holder_id)
    return json_response({"items": [_summary(team, holder_id) for team in found]})


@router.get(
    "/{team_id}",
    response_model=TeamView,
    summary="A team of mine with its members",
    **operation(scopes.ME_READ, errors=(TeamNotFound,)),
)
async def read_team(team_id: TeamId, principal: Reading, services: ServicesDep) -> Response:
    """Its total, and what each member brought since it joined."""
    async with services.database.snapshot() as driver:
        return json_response(await _view(driver, services, _id("tem", team_id), own(principal)))


@router.get(
    "/{team_id}/rank",
    response_model=TeamRank,
    summary="The place of my team among its city's",
    **operation(scopes.ME_READ, errors=(TeamNotFound, RanksUnavailable)),
)
async def rank_team(team_id: TeamId, principal: Reading, services: ServicesDep) -> Response:
    """Among teams of the same kind, by their totals, a few minutes behind the books."""
    wanted = _id("tem", team_id)
    async with services.database.snapshot() as driver:
        team = await _mine(driver, wanted, own(principal))
        places, place, number, as_of = await Ranks(services.redis).read(
            team["region"], "teams:" + team["kind"], 10, wanted
        )
        names = {each.holder_id: await repository.find_team(driver, each.holder_id) for each in places}
    shown = [
        TeamPlace(rank=p.rank, name=row["name"], co2e_g=grams(p.mg), mine=p.holder_id == wanted)
        for p in places
        if (row := names[p.holder_id]) is not None
    ]
    mine = place and TeamPlace(rank=place.rank, name=team["name"], co2e_g=grams(place.mg), mine=True)
    found = TeamRank(
        city=city_of(team["region"]),
        kind=team["kind"],
        as_of=as_of,
        participants=number,
        own=mine,
        top=shown,
    )
    return json_response(found.model_dump(mode="json"))


@router.post(
    "/{team_id}/code",
    response_model=TeamView,
    summary="Give my team another code",
    **operation(scopes.ME_WRITE, errors=(TeamNotFound, NotOwner, *REPEATED)),
)
async def rotate_code(
    team_id: TeamId, request: Request, principal: Writing, services: ServicesDep
) -> Response:
    """For its owner; the old code leads nowhere from then on."""
    wanted, holder_id = _id("tem", team_id), own(principal)

    async def step(driver: "asyncpg.Connection") -> UUID:
        await service.rotate(driver, holder_id, wanted)
        return wanted

    return await _write(request, principal, services, b"", step)


@router.post(
    "/{team_id}/members/{member_id}/removal",
    response_model=TeamView,
    summary="Remove a member of my team",
    **operation(scopes.ME_WRITE, errors=(TeamNotFound, NotOwner, *REPEATED)),
)
async def remove_member(
    team_id: TeamId,
    member_id: Annotated[str, Path(description="`mem_…`", examples=["mem_" + "0" * 32], max_length=40)],
    request: Request,
    principal: Writing,
    services: ServicesDep,
) -> Response:
    """For its owner; the team gets another code."""
    wanted, member, holder_id = _id("tem", team_id), _id("mem", member_id), own(principal)
    now = services.intake.clock()

    async def step(driver: "asyncpg.Connection") -> UUID:
        await service.remove(driver, holder_id, wanted, member, now)
        return wanted

    return await _write(request, principal, services, b"", step)


@router.post(
    "/{team_id}/leave",
    response_model=TeamList,
    summary="Leave a team",
    **operation(scopes.ME_WRITE, errors=(TeamNotFound, *REPEATED)),
)
async def leave_team(
    team_id: TeamId, request: Request, principal: Writing, services: ServicesDep
) -> Response:
    """An owner's place goes to who joined first; a team without members ends. Answers the teams that are left."""
    wanted, holder_id = _id("tem", team_id), own(principal)

    async def act(session: Any) -> Any:
        driver = await driver_of(session)
        await service.leave(driver, holder_id, wanted, services.intake.clock())
        return {"items": [_summary(team, holder_id) for team in await repository.teams_of(driver, holder_id)]}

    return await idempotency.write(request, principal, services, b"", act)
