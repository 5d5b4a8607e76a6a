"""`methodologies …`: a city's methodologies, as the API lets an operator change them."""

import datetime
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from app.auth.models import OrganisationKind
from app.commands.common import (
    CommandError,
    Credentials,
    JsonFlag,
    UrlOption,
    bring_up_schema,
    console,
    local_client,
    organisation_of,
    print_json,
    run,
    service_at,
    stack_of,
)
from app.embedded.stack import Stack
from app.replay.api import Api, ApiError
from app.settings import load_settings
from methodologies import PackError
from methodologies.yaml_files import read_yaml

BASE = "/v1/operator/methodologies"
LOCAL_NAME = "Local methodologies"
ORIGIN_WORDS = 3

methodologies = typer.Typer(
    help="Draft, approve, activate and retire methodologies of a running service.", no_args_is_help=True
)
ClientId = Annotated[
    str | None,
    typer.Option(envvar="TANPUHUI_CLIENT_ID", help="Operator client to act as; a local one where absent."),
]
Secret = Annotated[
    str | None,
    typer.Option(envvar="TANPUHUI_CLIENT_SECRET", help="Its secret; better given by the variable."),
]
RevisionId = Annotated[str, typer.Argument(metavar="ID", help="A methodology version (mrv_…).")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]
TextFile = Annotated[
    Path, typer.Argument(help="The whole text, JSON or YAML.", exists=True, dir_okay=False, readable=True)
]
Work = Callable[[Api], Awaitable[dict[str, Any]]]


def _call(url: str | None, client_id: str | None, secret: str | None, work: Work) -> dict[str, Any]:
    settings = load_settings()

    async def connected(stack: Stack) -> dict[str, Any]:
        await bring_up_schema(stack)
        async with service_at(settings, stack, url) as base:
            if client_id is None:
                me = await local_client(settings, stack, OrganisationKind.OPERATOR, LOCAL_NAME)
            elif secret is None:
                raise CommandError("--client-id needs --client-secret, or TANPUHUI_CLIENT_SECRET")
            else:
                async with httpx.AsyncClient(base_url=base) as http:
                    me = Credentials(client_id, secret, await organisation_of(http, client_id, secret))
            async with Api(base, me.client_id, me.secret) as api:
                return await work(api)

    with stack_of(settings, quiet=True) as stack:
        try:
            return run(connected(stack))
        except ApiError as error:
            raise CommandError(str(error)) from None


def _text(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(json.dumps(read_yaml(path), default=str))
    except PackError as error:
        raise CommandError(str(error)) from None
    return found


def _tell(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    console.print(
        f"{found['id']}  {found['region']} {found['code']} {found['version']}  {found['scene']}  "
        f"[bold]{found['state']}[/]  etag {found['etag']}",
        highlight=False,
        soft_wrap=True,
    )
    if found["activates_at"] is not None:
        console.print(f"  counts from {found['activates_at']}", highlight=False)
    for closed in found.get("closes", ()):
        console.print(f"  {closed['code']} {closed['version']} ends on {closed['last_day']}", highlight=False)
    _tell_problems(found.get("problems", ()))


def _tell_problems(problems: Any) -> None:
    for problem in problems:
        console.print(
            f"  [red]{problem['pointer'] or '/'}[/]  {problem['zh']}\n      {problem['en']}",
            highlight=False,
            soft_wrap=True,
        )


@methodologies.command("list")
def list_command(
    region: Annotated[str | None, typer.Option(help="Exactly this region.")] = None,
    scene: Annotated[str | None, typer.Option(help="Exactly this scene.")] = None,
    state: Annotated[str | None, typer.Option(help="draft, shadow, approved, active or retired.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many, the newest.")] = 50,
    url: UrlOption = None,
    client_id: ClientId = None,
    client_secret: Secret = None,
    as_json: JsonFlag = False,
) -> None:
    """List methodology versions of the region, the newest first."""
    asked = {"region": region, "scene": scene, "state": state}
    given: dict[str, str] = {name: value for name, value in asked.items() if value is not None}

    async def work(api: Api) -> dict[str, Any]:
        found: dict[str, Any] = await api.get(BASE, limit=limit, **given)
        return found

    found = _call(url, client_id, client_secret, work)
    if as_json:
        print_json(found)
        return
    for item in found["items"]:
        _tell(item, as_json=False)
    if found["next_cursor"] is not None:
        console.print("There are more; narrow them down.")


@methodologies.command("show")
def show_command(
    id_: RevisionId,
    url: UrlOption = None,
    client_id: ClientId = None,
    client_secret: Secret = None,
    as_json: JsonFlag = False,
) -> None:
    """Show a version with its text."""

    async def work(api: Api) -> dict[str, Any]:
        found: dict[str, Any] = await api.get(f"{BASE}/{id_}")
        return found

    found = _call(url, client_id, client_secret, work)
    _tell(found, as_json=as_json)
    if not as_json:
        console.print_json(data=found["methodology"])


@methodologies.command("draft")
def draft_command(
    id_: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A draft whose text --file replaces.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="The whole text, JSON or YAML.", exists=True, dir_okay=False)
    ] = None,
    origin: Annotated[
        str | None, typer.Option("--from", help="'REGION CODE VERSION' of a version that is there.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Another region than the origin's.")] = None,
    scene: Annotated[str | None, typer.Option(help="Scene, for a draft from nothing.")] = None,
    code: Annotated[str | None, typer.Option(help="Another code than the origin's.")] = None,
    version: Annotated[str | None, typer.Option(help="Another version than the origin's.")] = None,
    url: UrlOption = None,
    client_id: ClientId = None,
    client_secret: Secret = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a draft from a version, a file or nothing; or replace the text of one."""
    if id_ is not None and file is None:
        raise typer.BadParameter("a draft is edited by a file", param_hint="--file")
    text = None if file is None else _text(file)
    named = {"region": region, "scene": scene, "code": code, "version": version}
    body: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if origin is not None:
        words = origin.split()
        if len(words) != ORIGIN_WORDS:
            raise typer.BadParameter("give region, code and version", param_hint="--from")
        body["from"] = dict(zip(("region", "code", "version"), words, strict=True))
    if text is not None:
        body["methodology"] = text

    async def work(api: Api) -> dict[str, Any]:
        if id_ is None:
            made: dict[str, Any] = await api.post(BASE, body)
            return made
        found = await api.get(f"{BASE}/{id_}")
        edited: dict[str, Any] = await api.put(f"{BASE}/{id_}", {"methodology": text}, found["etag"])
        return edited

    _tell(_call(url, client_id, client_secret, work), as_json=as_json)


@methodologies.command("check")
def check_command(
    file: TextFile,
    url: UrlOption = None,
    client_id: ClientId = None,
    client_secret: Secret = None,
    as_json: JsonFlag = False,
) -> None:
    """Check a text without keeping it; exits with 1 where it does not hold."""
    text = _text(file)

    async def work(api: Api) -> dict[str, Any]:
        found: dict[str, Any] = await api.post(f"{BASE}/check", {"methodology": text})
        return found

    found = _call(url, client_id, client_secret, work)
    if as_json:
        print_json(found)
    else:
        _tell_problems(found["problems"])
        console.print("It holds." if found["ok"] else f"{len(found['problems'])} problems.")
    if not found["ok"]:
        raise typer.Exit(1)


def _step(
    id_: str, step: str, body: dict[str, Any], url: str | None, client_id: str | None, secret: str | None
) -> dict[str, Any]:
    async def work(api: Api) -> dict[str, Any]:
        found = await api.get(f"{BASE}/{id_}")
        done: dict[str, Any] = await api.post(f"{BASE}/{id_}/{step}", body, etag=found["etag"])
        return done

    return _call(url, client_id, secret, work)


@methodologies.command("submit")
def submit_command(
    id_: RevisionId,
    reason: Reason,
    url: UrlOption = None,
    client_id: ClientId = None,
    client_secret: Secret = None,
    as_json: JsonFlag = False,
) -> None:
    """Submit a draft: it becomes a shadow, which waits for a second operator."""
    _tell(_step(id_, "submission", {"reason": reason}, url, client_id, client_secret), as_json=as_json)


@methodologies.command("approve")
def approve_command(
    id_: RevisionId,
    reason: Reason,
    url: UrlOption = None,
    client_id: ClientId = None,
    client_secret: Secret = None,
    as_json: JsonFlag = False,
) -> None:
    """Approve a shadow that other clients wrote."""
    _tell(_step(id_, "approval", {"reason": reason}, url, client_id, client_secret), as_json=as_json)


@methodologies.command("activate")
def activate_command(
    id_: RevisionId,
    at: Annotated[str, typer.Option(help="RFC 3339 with offset: the moment from which it counts.")],
    reason: Reason,
    url: UrlOption = None,
    client_id: ClientId = None,
    client_secret: Secret = None,
    as_json: JsonFlag = False,
) -> None:
    """Have an approved version count from a moment on; tells which versions end by it."""
    body = {"activates_at": at, "reason": reason}
    _tell(_step(id_, "activation", body, url, client_id, client_secret), as_json=as_json)


@methodologies.command("retire")
def retire_command(
    id_: RevisionId,
    reason: Reason,
    last_day: Annotated[
        datetime.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last day in force, today at the earliest."),
    ] = None,
    url: UrlOption = None,
    client_id: ClientId = None,
    client_secret: Secret = None,
    as_json: JsonFlag = False,
) -> None:
    """Retire a version; it goes on answering for the days before."""
    day = None if last_day is None else last_day.date().isoformat()
    body = {"last_day": day, "reason": reason}
    _tell(_step(id_, "retirement", body, url, client_id, client_secret), as_json=as_json)


@methodologies.command("timeline")
def timeline_command(
    region: Annotated[str, typer.Option(help="GB/T 2260 code.")],
    scene: Annotated[str, typer.Option(help="Such as trip.metro.")],
    url: UrlOption = None,
    client_id: ClientId = None,
    client_secret: Secret = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the days in force of a region's versions, and the gaps."""

    async def work(api: Api) -> dict[str, Any]:
        found: dict[str, Any] = await api.get(f"{BASE}/timeline", region=region, scene=scene)
        return found

    found = _call(url, client_id, client_secret, work)
    if as_json:
        print_json(found)
        return
    lines = [
        *((each, f"{each['code']} {each['version']}  {each['state']}") for each in found["periods"]),
        *(
            (each, f"[yellow]gap[/], {' '.join(found['falls_to']) or 'nobody'} asked")
            for each in found["gaps"]
        ),
    ]
    for each, what in sorted(lines, key=lambda line: line[0]["first_day"]):
        console.print(
            f"{each['first_day']} … {each['last_day'] or '':10}  {what}", highlight=False, soft_wrap=True
        )
    if not lines:
        console.print(f"No version of its own; {' '.join(found['falls_to']) or 'nobody'} asked.")
