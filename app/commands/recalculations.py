"""`recalculations …`: past days computed again under a corrected version, as the API lets operators do it."""

from typing import Annotated, Any

import typer

from app.commands.common import console, print_json
from app.commands.desk import Desk, Reason, at_desk

BASE = "/v1/operator/recalculations"

recalculations = typer.Typer(
    help="Compute past days again under a corrected methodology version.", no_args_is_help=True
)
RecalculationId = Annotated[str, typer.Argument(metavar="ID", help="A recalculation (mrc_…).")]


def _tell(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    console.print(
        f"{found['id']}  {found['region']} {found['scene']}  {found['revision_id']}  "
        f"{found['first_day']} … {found['last_day'] or ''}  [bold]{found['state']}[/]",
        highlight=False,
        soft_wrap=True,
    )
    for replaced in found["replaces"]:
        console.print(
            f"  {replaced['code']} {replaced['version']} ends on {replaced['last_day']}", highlight=False
        )
    for name in ("preview", "totals"):
        if found.get(name) is not None:
            _tell_figures(name, found[name])


def _tell_figures(name: str, figures: dict[str, Any]) -> None:
    console.print(
        f"  {name}: {figures['activities']:,} acts of {figures['holders']:,} holders, "
        f"{figures['before_co2e_g']} g → {figures['after_co2e_g']} g, "
        f"{figures['before_points']:,} → {figures['after_points']:,} points, "
        f"{figures['limited']:,} newly capped, {figures['refused']:,} refused",
        highlight=False,
        soft_wrap=True,
    )
    for month in figures["months"]:
        console.print(
            f"    {month['month']}  {month['activities']:,} acts, {month['before_co2e_g']} g → "
            f"{month['after_co2e_g']} g",
            highlight=False,
        )
    for reason, number in figures["skipped"].items():
        console.print(f"    [yellow]{number:,} acts stay as they are: {reason}[/]", highlight=False)


@recalculations.command("list")
@at_desk
def list_command(
    desk: Desk,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many, the newest.")] = 50,
) -> None:
    """List recalculations of the region, the newest first."""
    found = desk.get(BASE, limit=limit)
    if desk.as_json:
        print_json(found)
        return
    for item in found["items"]:
        _tell(item, as_json=False)


@recalculations.command("show")
@at_desk
def show_command(desk: Desk, id_: RecalculationId) -> None:
    """Show a recalculation with its preview, and what is done."""
    _tell(desk.get(f"{BASE}/{id_}"), as_json=desk.as_json)


@recalculations.command("request")
@at_desk
def request_command(
    desk: Desk,
    revision_id: Annotated[str, typer.Argument(metavar="ID", help="A submitted version (mrv_…).")],
    reason: Reason,
) -> None:
    """Request a recalculation: its preview is made, and nothing changes."""
    _tell(desk.post(BASE, {"revision_id": revision_id, "reason": reason}), as_json=desk.as_json)


@recalculations.command("approve")
@at_desk
def approve_command(
    desk: Desk,
    id_: RecalculationId,
    at: Annotated[str, typer.Option(help="RFC 3339 with offset: the moment from which the version counts.")],
    reason: Reason,
) -> None:
    """Approve what others requested and wrote, by its preview."""
    body = {"activates_at": at, "reason": reason}
    _tell(desk.post(f"{BASE}/{id_}/approval", body), as_json=desk.as_json)


@recalculations.command("cancel")
@at_desk
def cancel_command(desk: Desk, id_: RecalculationId, reason: Reason) -> None:
    """Cancel a recalculation that is not approved."""
    _tell(desk.post(f"{BASE}/{id_}/cancellation", {"reason": reason}), as_json=desk.as_json)
