"""`serve`, `migrate`, `verify`, `openapi`."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.application import create_app
from app.commands.common import JsonFlag, bring_up_schema, console, errors, print_json, run, stack_of
from app.database import Database, engine_for
from app.embedded.stack import Stack
from app.logs import configure_logs
from app.server import prepare_schema, serve
from app.settings import Settings, load_settings
from app.verification import Finding, verify


def serve_command(
    demo: Annotated[bool, typer.Option(help="Replay a made-up week of three cities, once.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Start the service, with its own PostgreSQL and Redis where none are given. Ctrl-C stops everything."""
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load_settings(**chosen)
    configure_logs(settings)
    children: list[subprocess.Popen[bytes]] = []

    def on_ready(url: str) -> None:
        console.print(
            f"Tanpuhui 碳普惠 is at {url}   API docs: {url}/docs   Ctrl-C stops everything", highlight=False
        )
        if demo:
            command = [sys.executable, "-m", "app.cli", "demo", "--url", url, "--once"]
            children.append(subprocess.Popen(command))  # noqa: S603 - our own program and address

    with stack_of(settings) as stack:
        run(_prepare_and_serve(settings, stack, on_ready))
        for child in children:
            _end(child)
    console.print("Stopped.")


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(5)


async def _prepare_and_serve(settings: Settings, stack: Stack, on_ready: Any) -> None:
    if stack.owner_database_url is not None:
        await prepare_schema(stack)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await serve(settings, stack, on_ready, ended)


def migrate_command(as_json: JsonFlag = False) -> None:
    """Bring the schema up to date, as the role that owns the tables."""
    settings = load_settings()
    with stack_of(settings, quiet=as_json) as stack:
        revision = run(prepare_schema(stack))
    if as_json:
        print_json({"revision": revision})
    else:
        console.print(f"The schema is at {revision}.", highlight=False)


def verify_command(as_json: JsonFlag = False) -> None:
    """Check the invariants over the whole database; exits with 1 and names the first row that breaks one."""
    settings = load_settings()

    async def work(stack: Stack) -> list[Finding]:
        await bring_up_schema(stack)
        database = Database(engine_for(stack.database_url, pool_size=1, scans=True))
        found = []
        try:
            async with database.snapshot() as driver:
                async for finding in verify(driver):
                    found.append(finding)
                    if not as_json:
                        _tell(finding)
        finally:
            await database.close()
        return found

    with stack_of(settings, quiet=as_json) as stack:
        findings = run(work(stack))
    broken = [finding for finding in findings if finding.breach is not None]
    if as_json:
        rules = [{"rule": f.rule, "meaning": f.meaning, "breach": f.breach} for f in findings]
        print_json({"ok": not broken, "rules": rules})
    else:
        console.print(
            "All invariants hold." if not broken else f"{len(broken)} of {len(findings)} rules are broken."
        )
    if broken:
        raise typer.Exit(1)


def _tell(finding: Finding) -> None:
    mark = "[green]ok    [/]" if finding.breach is None else "[red]BREACH[/]"
    place = "" if finding.breach is None else f"\n         first at {finding.breach}"
    console.print(
        f"  {mark} {finding.meaning} [dim]{finding.rule}[/]{place}", highlight=False, soft_wrap=True
    )


def openapi_command(
    out: Annotated[Path | None, typer.Option(help="File to write; standard output where absent.")] = None,
) -> None:
    """Export the OpenAPI document."""
    text = json.dumps(create_app().openapi(), ensure_ascii=False, indent=2) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    errors.print(f"Wrote {out}.", highlight=False)
