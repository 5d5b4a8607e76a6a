"""An operator's commands at a running service: whom they act as, where, and what they print."""

import datetime
import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.commands.common import (
    CommandError,
    JsonFlag,
    UrlOption,
    bring_up_schema,
    console,
    local_client,
    run,
    service_at,
    stack_of,
)
from app.replay.api import Api, ApiError
from app.settings import load_settings

if TYPE_CHECKING:
    from app.embedded.stack import Stack

PATIENCE_S = 20.0
"""How long a person at a terminal waits for a service that is away."""
LOCAL_NAME = "Local methodologies"
T = TypeVar("T")
ClientId = Annotated[
    str | None,
    typer.Option(envvar="TANPUHUI_CLIENT_ID", help="Operator client to act as; a local one where absent."),
]
Secret = Annotated[
    str | None,
    typer.Option(envvar="TANPUHUI_CLIENT_SECRET", help="Its secret; better given by the variable."),
]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]


@dataclass(frozen=True)
class Desk:
    """Where an operator's command acts, as whom, and whether it prints JSON."""

    url: str | None
    client_id: str | None
    client_secret: str | None
    as_json: bool

    def call(self, work: Callable[[Api], Awaitable[T]]) -> T:
        """Do `work` at the service; one plain line where it refuses."""
        try:
            if self.url is not None and self.client_id is not None:
                return run(self._at(self.url.rstrip("/"), work))
            settings = load_settings()

            async def connected(stack: "Stack") -> T:
                await bring_up_schema(stack)
                async with service_at(settings, stack, self.url) as base:
                    if self.client_id is not None:
                        return await self._at(base, work)
                    from app.auth.models import OrganisationKind  # noqa: PLC0415 - only here, and slow to import

                    me = await local_client(settings, stack, OrganisationKind.OPERATOR, LOCAL_NAME)
                    return await _as(base, me.client_id, me.secret, work)

            with stack_of(settings, quiet=True) as stack:
                return run(connected(stack))
        except ApiError as error:
            raise CommandError(str(error)) from None

    def get(self, path: str, **params: str | int | None) -> dict[str, Any]:
        """Read one answer; parameters that are None are left out."""
        given: dict[str, Any] = {name: value for name, value in params.items() if value is not None}

        async def work(api: Api) -> dict[str, Any]:
            found: dict[str, Any] = await api.get(path, **given)
            return found

        return self.call(work)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send one body."""

        async def work(api: Api) -> dict[str, Any]:
            found: dict[str, Any] = await api.post(path, body)
            return found

        return self.call(work)

    async def _at(self, base: str, work: Callable[[Api], Awaitable[T]]) -> T:
        if self.client_id is None or self.client_secret is None:
            raise CommandError("--client-id needs --client-secret, or TANPUHUI_CLIENT_SECRET")
        return await _as(base, self.client_id, self.client_secret, work)


async def _as(base: str, client_id: str, secret: str, work: Callable[[Api], Awaitable[T]]) -> T:
    async with Api(base, client_id, secret, patience_s=PATIENCE_S) as api:
        return await work(api)


def _options(
    url: UrlOption = None, client_id: ClientId = None, client_secret: Secret = None, as_json: JsonFlag = False
) -> Desk:
    return Desk(url, client_id, client_secret, as_json)


def at_desk(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where and as whom; it takes them as its first argument, a `Desk`."""
    shared = inspect.signature(_options).parameters
    (desk, *own) = inspect.signature(command).parameters.values()

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        command(_options(**{name: given.pop(name) for name in shared}), **given)

    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *shared.values())]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    if desk.annotation is not Desk:
        raise TypeError(f"{command.__name__} takes a Desk first")
    return with_options


def day_text(day: datetime.datetime | None) -> str | None:
    """A day as the API takes it."""
    return None if day is None else day.date().isoformat()


def days_text(first: str, last: str | None) -> str:
    """First and last day as a person reads them."""
    return f"{first} … {last or ''}".rstrip()


def plain(text: str) -> None:
    """One line, not broken."""
    console.print(text, highlight=False, soft_wrap=True)


def more_hint(found: dict[str, Any]) -> None:
    """Say that a list goes on."""
    if found["next_cursor"] is not None:
        plain("There are more: ask for more with --limit, or narrow them down.")


def hint(text: str, *, as_json: bool) -> None:
    """Say which command comes next."""
    if not as_json:
        plain(f"  [dim]Next: {text}[/]")


def step(desk: Desk, path: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Read what a step is about, and take the step from the state that was read."""

    async def work(api: Api) -> dict[str, Any]:
        found = await api.get(path)
        done: dict[str, Any] = await api.post(f"{path}/{name}", body, etag=found["etag"])
        return done

    return desk.call(work)
