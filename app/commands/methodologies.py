"""`methodologies …`: a city's methodologies, as the API lets an operator change them."""

import datetime
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.common import CommandError, console, print_json
from app.commands.desk import Desk, Reason, at_desk, day_text, days_text, hint, more_hint, plain, step
from app.commands.scene_days import BASE, path_of, scene_days, tell_days
from app.replay.api import Api
from dedup.periods import LOCAL
from methodologies import PackError
from methodologies.yaml_files import read_yaml

NAME_WORDS = 3

methodologies = typer.Typer(
    help="Draft, approve, activate and retire methodologies of a running service.", no_args_is_help=True
)
methodologies.add_typer(scene_days)
RevisionId = Annotated[str, typer.Argument(metavar="ID", help="A methodology version (mrv_…).")]
TextFile = Annotated[
    Path, typer.Argument(help="The whole text, JSON or YAML.", exists=True, dir_okay=False, readable=True)
]


def _text(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(json.dumps(read_yaml(path), default=str))
    except PackError as error:
        raise CommandError(str(error)) from None
    return found


def _name(text: str, hint: str) -> dict[str, str]:
    words = text.split()
    if len(words) != NAME_WORDS:
        raise typer.BadParameter("give region, code and version, in quotes", param_hint=hint)
    return dict(zip(("region", "code", "version"), words, strict=True))


def _tell(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    days = (
        ""
        if found["in_force_from"] is None
        else f"  {days_text(found['in_force_from'], found['in_force_to'])}"
    )
    plain(
        f"{found['id']}  {found['region']} {found['code']} {found['version']}  {found['scene']}  "
        f"[bold]{found['state']}[/]{days}  etag {found['etag']}"
    )
    if found["activates_at"] is not None and found["state"] != "retired":
        moment = datetime.datetime.fromisoformat(found["activates_at"]).astimezone(LOCAL)
        plain(f"  counts from {moment.isoformat(timespec='seconds')}")
    for closed in found.get("closes", ()):
        plain(f"  {closed['code']} {closed['version']} ends on {closed['last_day']}")
    for gap in found.get("leaves", ()):
        plain(f"  [yellow]gap[/] {days_text(gap['first_day'], gap['last_day'])}")
    for opened in found.get("reopens", ()):
        plain(f"  {opened['code']} {opened['version']} goes on, {_until(opened['last_day'])}")
    _tell_problems(found.get("problems", ()))


def _until(last: str | None) -> str:
    return "without a last day" if last is None else f"until {last}"


def _tell_problems(problems: Any) -> None:
    for problem in problems:
        plain(f"  [red]{problem['pointer'] or '/'}[/]  {problem['zh']}\n      {problem['en']}")


@methodologies.command("list")
@at_desk
def list_command(
    desk: Desk,
    region: Annotated[str | None, typer.Option(help="Exactly this region.")] = None,
    scene: Annotated[str | None, typer.Option(help="Exactly this scene.")] = None,
    state: Annotated[str | None, typer.Option(help="draft, shadow, approved, active or retired.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many, the newest.")] = 50,
) -> None:
    """List methodology versions of the region, the newest first."""
    found = desk.get(BASE, limit=limit, region=region, scene=scene, state=state)
    if desk.as_json:
        print_json(found)
        return
    for item in found["items"]:
        _tell(item, as_json=False)
    if not found["items"]:
        plain(
            "No operator drafted any. What packs ship: tanpuhui methodologies timeline, and docs/methodologies.md."
        )
    more_hint(found)


@methodologies.command("show")
@at_desk
def show_command(desk: Desk, id_: RevisionId) -> None:
    """Show a version with its text."""
    found = desk.get(f"{BASE}/{id_}")
    _tell(found, as_json=desk.as_json)
    if not desk.as_json:
        plain(f"  written by {' '.join(found['authors'])}, approved by {found['approved_by'] or 'nobody'}")
        console.print_json(data=found["methodology"])


@methodologies.command("draft")
@at_desk
def draft_command(
    desk: Desk,
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
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit trail.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the draft's text there, to edit it.", dir_okay=False)
    ] = None,
) -> None:
    """Make a draft from a version, a file or nothing; or replace the text of one."""
    if id_ is not None and file is None:
        raise typer.BadParameter("a draft is edited by a file", param_hint="--file")
    text = None if file is None else _text(file)
    named = {"region": region, "scene": scene, "code": code, "version": version, "reason": reason}
    body: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if origin is not None:
        body["from"] = _name(origin, "--from")
    if text is not None:
        body["methodology"] = text

    async def work(api: Api) -> dict[str, Any]:
        if id_ is None:
            made: dict[str, Any] = await api.post(BASE, body)
            return made
        found = await api.get(f"{BASE}/{id_}")
        edited: dict[str, Any] = await api.put(
            f"{BASE}/{id_}", {"methodology": text, "reason": reason}, found["etag"]
        )
        return edited

    found = desk.call(work)
    if out is not None:
        out.write_text(
            json.dumps(found["methodology"], ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
        )
    _tell(found, as_json=desk.as_json)
    if found["problems"] or out is not None:
        hint(f"edit the text, then tanpuhui methodologies draft {found['id']} --file …", as_json=desk.as_json)
    else:
        hint(f"tanpuhui methodologies submit {found['id']} --reason …", as_json=desk.as_json)


@methodologies.command("check")
@at_desk
def check_command(desk: Desk, file: TextFile) -> None:
    """Check a text without keeping it; exits with 1 where it does not hold."""
    found = desk.post(f"{BASE}/check", {"methodology": _text(file)})
    if desk.as_json:
        print_json(found)
    else:
        _tell_problems(found["problems"])
        plain("It holds." if found["ok"] else f"{len(found['problems'])} problems.")
    if not found["ok"]:
        raise typer.Exit(1)


@methodologies.command("submit")
@at_desk
def submit_command(desk: Desk, id_: RevisionId, reason: Reason) -> None:
    """Submit a draft: it becomes a shadow, which waits for a second operator."""
    found = step(desk, f"{BASE}/{id_}", "submission", {"reason": reason})
    _tell(found, as_json=desk.as_json)
    hint(f"another client: tanpuhui methodologies approve {id_} --reason …", as_json=desk.as_json)


@methodologies.command("approve")
@at_desk
def approve_command(
    desk: Desk,
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A version (mrv_…), an exclusion (mex_…), an adoption (mad_…), or its end."
        ),
    ],
    reason: Reason,
) -> None:
    """Approve what other clients wrote or proposed."""
    if (path := path_of(id_)) is not None:
        tell_days(step(desk, path, "approval", {"reason": reason}), desk)
        return
    found = step(desk, f"{BASE}/{id_}", "approval", {"reason": reason})
    _tell(found, as_json=desk.as_json)
    hint(f"tanpuhui methodologies activate {id_} --at … --reason …", as_json=desk.as_json)


@methodologies.command("activate")
@at_desk
def activate_command(
    desk: Desk,
    id_: RevisionId,
    at: Annotated[str, typer.Option(help="RFC 3339 with offset: the moment from which it counts.")],
    reason: Reason,
    leaves_gap: Annotated[
        bool, typer.Option("--leaves-gap", help="The days after its end are meant to be without a version.")
    ] = False,
) -> None:
    """Have an approved version count from a moment on; tells which versions end by it."""
    body = {"activates_at": at, "leaves_gap": leaves_gap, "reason": reason}
    _tell(step(desk, f"{BASE}/{id_}", "activation", body), as_json=desk.as_json)


@methodologies.command("retire")
@at_desk
def retire_command(
    desk: Desk,
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A version (mrv_…), or 'REGION CODE VERSION' of one that a pack ships."
        ),
    ],
    reason: Reason,
    last_day: Annotated[
        datetime.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Last day in force, today at the earliest; none cancels what does not count yet.",
        ),
    ] = None,
) -> None:
    """Retire a version; it goes on answering for the days before."""
    body = {"last_day": day_text(last_day), "reason": reason}
    if id_.startswith("mrv_"):
        _tell(step(desk, f"{BASE}/{id_}", "retirement", body), as_json=desk.as_json)
        return
    if last_day is None:
        raise typer.BadParameter("a pack's version ends on a day", param_hint="--last-day")
    ended = desk.post(f"{BASE}/retirements", body | _name(id_, "ID"))
    if desk.as_json:
        print_json(ended)
    else:
        plain(
            f"{ended['region']} {ended['code']} {ended['version']}  {ended['scene']}  "
            f"ends on {ended['last_day']}"
        )


@methodologies.command("timeline")
@at_desk
def timeline_command(
    desk: Desk,
    region: Annotated[str, typer.Option(help="GB/T 2260 code.")],
    scene: Annotated[str, typer.Option(help="Such as trip.metro.")],
) -> None:
    """Show the days in force of a region's versions, and the gaps."""
    found = desk.get(f"{BASE}/timeline", region=region, scene=scene)
    if desk.as_json:
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
        plain(f"{each['first_day']} … {each['last_day'] or '':10}  {what}")
    for each in found["adoptions"]:
        days = days_text(each["first_day"] or "always", each["last_day"])
        plain(f"{days}  the nation's rule, adopted by {each['region']} ({each['adoption_id'] or 'its pack'})")
    if not lines:
        plain(f"No version of its own; {' '.join(found['falls_to']) or 'nobody'} asked.")
