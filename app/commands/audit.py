"""`audit …`: the audit trail of an operator's region."""

import datetime
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from app.commands.common import print_json
from app.commands.desk import Desk, at_desk, more_hint, plain
from app.replay.api import Api
from dedup.periods import LOCAL

BASE = "/v1/operator/audit"

audit = typer.Typer(help="Read and export the audit trail of a running service.", no_args_is_help=True)
Region = Annotated[str | None, typer.Option(help="Exactly this region.")]
Action = Annotated[str | None, typer.Option(help="Such as methodology.approved.")]
Target = Annotated[str | None, typer.Option(help="Id of what was changed (mrv_…, mex_…, act_…, hld_…).")]
ActorId = Annotated[str | None, typer.Option(help="Client that did it (cli_…).")]
Since = Annotated[str | None, typer.Option(help="RFC 3339 with offset: from this moment on.")]
Until = Annotated[str | None, typer.Option(help="RFC 3339 with offset: before this moment.")]


@audit.command("list")
@at_desk
def list_command(
    desk: Desk,
    region: Region = None,
    action: Action = None,
    target: Target = None,
    actor: ActorId = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many, the newest.")] = 50,
) -> None:
    """List who did what, when, from where and why, the newest first."""
    found = desk.get(BASE, limit=limit, **_asked(region, action, target, actor, since, until))
    if desk.as_json:
        print_json(found)
        return
    for item in found["items"]:
        _tell(item)
    if not found["items"]:
        plain("Nothing of that is in the trail.")
    more_hint(found)


@audit.command("export")
@at_desk
def export_command(
    desk: Desk,
    kind: Annotated[
        Literal["ndjson", "csv"], typer.Option("--format", help="One record a line, or a table.")
    ] = "ndjson",
    out: Annotated[
        Path | None, typer.Option(help="File to write; standard output where absent.", dir_okay=False)
    ] = None,
    region: Region = None,
    action: Action = None,
    target: Target = None,
    actor: ActorId = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Export all of the trail that is asked for. With --json, what was written is told as JSON."""
    asked = {
        name: value
        for name, value in _asked(region, action, target, actor, since, until).items()
        if value is not None
    }

    async def work(api: Api) -> int:
        size = 0
        file = sys.stdout.buffer if out is None else out.open("wb")
        try:
            async for piece in api.download(BASE, format=kind, **asked):
                size += file.write(piece)
        finally:
            if out is not None:
                file.close()
        return size

    size = desk.call(work)
    if out is None:
        return
    if desk.as_json:
        print_json({"file": str(out), "format": kind, "bytes": size})
    else:
        plain(f"{out}: {size:,} bytes of {kind}.")


def _asked(
    region: str | None,
    action: str | None,
    target: str | None,
    actor: str | None,
    since: str | None,
    until: str | None,
) -> dict[str, str | None]:
    return {
        "region": region,
        "action": action,
        "target_id": target,
        "actor_client_id": actor,
        "since": since,
        "until": until,
    }


def _tell(item: dict[str, Any]) -> None:
    at = datetime.datetime.fromisoformat(item["at"]).astimezone(LOCAL).isoformat(timespec="seconds")
    plain(
        f"{at}  {item['action']}  {item['target_id']}  [bold]{item['actor_name']}[/] "
        f"({item['actor_client_id']}) from {item['address'] or 'nowhere'}"
    )
    if item["reason"]:
        plain(f"  {item['reason']}")
    before, after = item["before"] or {}, item["after"] or {}
    for name in sorted({*before, *after}):
        told = [before.get(name), after.get(name)]
        # A whole text is told by the export and by --json.
        if told[0] != told[1] and name != "etag" and not any(isinstance(each, dict) for each in told):
            plain(f"  {name}: {_word(told[0])} → {_word(told[1])}")


def _word(value: Any) -> str:
    return "—" if value is None else str(value)
