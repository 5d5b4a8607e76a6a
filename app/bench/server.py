"""The service as the benchmark runs it: the very same application, with a no-op route to compare with.

`python -m app.bench.server` prints its URL and serves until its standard input ends, so that it never outlives
the benchmark.
"""

import asyncio
import os
import signal
import sys

import uvloop
from fastapi import FastAPI, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from app import server
from app.api.http import json_response, read_json
from app.api.platforms import MAX_REPORT_BYTES, Reporter
from app.application import create_app
from app.crediting.schemas import ActivityReport
from app.embedded.stack import Stack, start_stack
from app.logs import configure_logs
from app.settings import Settings, load_settings

NOOP = "/bench/noop"
_ONE: TypeAdapter[ActivityReport] = TypeAdapter(ActivityReport)


def add_noop(app: FastAPI) -> None:
    """Add a POST that signs in, validates and answers like a report, and does nothing."""

    async def noop(request: Request, principal: Reporter) -> Response:  # noqa: ARG001 - it signs in
        body = await read_json(request, _ONE, MAX_REPORT_BYTES)
        return json_response({"event_id": body.event_id, "outcome": "nothing"})

    app.add_api_route(NOOP, noop, methods=["POST"], include_in_schema=False)
    # Routes are tried one after the other: behind all others, it would be measured for their sake.
    app.router.routes.insert(0, app.router.routes.pop())


async def _serve(settings: Settings, stack: Stack) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C is the benchmark's to act upon
    loop.add_signal_handler(signal.SIGTERM, ended.set)

    def on_input() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            ended.set()

    loop.add_reader(sys.stdin.fileno(), on_input)
    with server.listen(settings) as listener:
        async with server.running(settings, stack) as current:
            app = create_app(current)
            add_noop(app)
            await server._serve_on(listener, app, _say, ended)  # noqa: SLF001 - as `serve` does


def _say(url: str) -> None:
    sys.stdout.write(url + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve on a free port."""
    settings = load_settings(port=0)
    configure_logs(settings)
    with start_stack(settings) as stack, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, stack))


if __name__ == "__main__":
    main()
