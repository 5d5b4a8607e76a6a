"""`methodologies exclude`, `adopt` and what belongs to them: days that one client proposes and another approves."""

import datetime
from typing import Annotated, Any

import typer

from app.commands.common import print_json
from app.commands.desk import Desk, Reason, at_desk, day_text, days_text, hint, more_hint, plain, step

BASE = "/v1/operator/methodologies"
EXCLUSIONS, ADOPTIONS = f"{BASE}/exclusions", f"{BASE}/adoptions"
_PATHS = {"mex_": EXCLUSIONS, "mad_": ADOPTIONS}

scene_days = typer.Typer()
Region = Annotated[str, typer.Option(help="GB/T 2260 code; with all below it.")]
Scene = Annotated[str, typer.Option(help="Such as trip.metro.")]
FirstDay = Annotated[datetime.datetime, typer.Option(formats=["%Y-%m-%d"], help="Tomorrow or later.")]
LastDay = Annotated[datetime.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Open where absent.")]
EndDay = Annotated[
    datetime.datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="Last day, today at the earliest; none where it is not to begin at all."
    ),
]
LegalBasis = Annotated[str, typer.Option(help="Which rule or notice says so.")]
OneScene = Annotated[str | None, typer.Option(help="Exactly this scene.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="At most so many, the newest.")]
ExclusionId = Annotated[str, typer.Argument(metavar="ID", help="An exclusion (mex_…).")]
AdoptionId = Annotated[str, typer.Argument(metavar="ID", help="An adoption (mad_…).")]


def path_of(id_: str) -> str | None:
    """Where an exclusion or an adoption is; None for the id of something else."""
    base = _PATHS.get(id_[:4])
    return None if base is None else f"{base}/{id_}"


def tell_days(found: dict[str, Any], desk: Desk) -> None:
    """Print an exclusion or an adoption, and what is proposed of its end."""
    if desk.as_json:
        print_json(found)
        return
    plain(
        f"{found['id']}  {found['region']} {found['scene']}  [bold]{found['state']}[/]  "
        f"{days_text(found['first_day'], found['last_day'])}  {found['legal_basis']}"
    )
    end = found["proposed_end"]
    if end is not None:
        what = "never to begin" if end["last_day"] is None else f"to end on {end['last_day']}"
        plain(f"  [yellow]proposed[/] by {end['proposed_by']}: {what}")
    if found["state"] == "proposed" or end is not None:
        hint(f"another client: tanpuhui methodologies approve {found['id']} --reason …", as_json=False)


def _list(desk: Desk, path: str, scene: str | None, limit: int, none: str) -> None:
    found = desk.get(path, limit=limit, scene=scene)
    if desk.as_json:
        print_json(found)
        return
    for item in found["items"]:
        tell_days(item, desk)
    if not found["items"]:
        plain(none)
    more_hint(found)


def _propose(
    desk: Desk,
    path: str,
    place: tuple[str, str],
    days: tuple[datetime.datetime, datetime.datetime | None],
    why: tuple[str, str],
) -> None:
    body = {
        "region": place[0],
        "scene": place[1],
        "first_day": day_text(days[0]),
        "last_day": day_text(days[1]),
        "legal_basis": why[0],
        "reason": why[1],
    }
    tell_days(desk.post(path, body), desk)


def _end(desk: Desk, path: str, last_day: datetime.datetime | None, reason: str) -> None:
    tell_days(step(desk, path, "end", {"last_day": day_text(last_day), "reason": reason}), desk)


@scene_days.command("exclusions")
@at_desk
def exclusions_command(desk: Desk, scene: OneScene = None, limit: Limit = 50) -> None:
    """List the scenes that earn nothing in the region, and what is proposed, the newest first."""
    _list(desk, EXCLUSIONS, scene, limit, "No scene is excluded.")


@scene_days.command("exclude")
@at_desk
def exclude_command(
    desk: Desk,
    region: Region,
    scene: Scene,
    first_day: FirstDay,
    legal_basis: LegalBasis,
    reason: Reason,
    last_day: LastDay = None,
) -> None:
    """Propose that a scene earns nothing from a coming day on; another client approves it."""
    _propose(desk, EXCLUSIONS, (region, scene), (first_day, last_day), (legal_basis, reason))


@scene_days.command("end-exclusion")
@at_desk
def end_exclusion_command(desk: Desk, id_: ExclusionId, reason: Reason, last_day: EndDay = None) -> None:
    """Propose the end of an exclusion; another client approves it."""
    _end(desk, f"{EXCLUSIONS}/{id_}", last_day, reason)


@scene_days.command("adoptions")
@at_desk
def adoptions_command(desk: Desk, scene: OneScene = None, limit: Limit = 50) -> None:
    """List the scenes for which the region adopted the nation's rule, and what is proposed, the newest first."""
    _list(desk, ADOPTIONS, scene, limit, "No operator adopted a rule of the nation; packs may have.")


@scene_days.command("adopt")
@at_desk
def adopt_command(
    desk: Desk,
    region: Region,
    scene: Scene,
    first_day: FirstDay,
    legal_basis: LegalBasis,
    reason: Reason,
    last_day: LastDay = None,
) -> None:
    """Propose that the nation's rule of a scene counts from a coming day on; another client approves it."""
    _propose(desk, ADOPTIONS, (region, scene), (first_day, last_day), (legal_basis, reason))


@scene_days.command("end-adoption")
@at_desk
def end_adoption_command(desk: Desk, id_: AdoptionId, reason: Reason, last_day: EndDay = None) -> None:
    """Propose the end of an adoption; another client approves it."""
    _end(desk, f"{ADOPTIONS}/{id_}", last_day, reason)


@scene_days.command("withdraw")
@at_desk
def withdraw_command(
    desk: Desk,
    id_: Annotated[str, typer.Argument(metavar="ID", help="An exclusion (mex_…) or an adoption (mad_…).")],
    reason: Reason,
) -> None:
    """Withdraw what is proposed and not approved: an exclusion, an adoption, or its end."""
    path = path_of(id_)
    if path is None:
        raise typer.BadParameter("give the id of an exclusion or an adoption", param_hint="ID")
    tell_days(step(desk, path, "withdrawal", {"reason": reason}), desk)
