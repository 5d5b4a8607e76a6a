"""Who may enter a route: `Access` reads like a sentence in a route's signature."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from app.auth.principal import Principal
from app.problems import RequestError
from app.wiring import Services, utc_now

if TYPE_CHECKING:
    from app.auth.rate_limit import RateLimiter


def services_of(request: Request) -> Services:
    """The services of the running application."""
    return cast("Services", request.app.state.services)


async def _services(request: Request) -> Services:
    # Asynchronous, since FastAPI runs a plain function on a thread.
    return services_of(request)


ServicesDep = Annotated[Services, Depends(_services)]


async def admit(request: Request, services: Services, scopes: frozenset[str]) -> Principal:
    """The caller, whose token carries one of the scopes and whose rate is not used up."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise RequestError("auth.missing")
    principal = services.tokens.verify(token.strip(), utc_now())
    if principal.scopes.isdisjoint(scopes):
        raise RequestError("auth.scope")
    limiter: RateLimiter = services.limiter
    subject = principal.client_id
    if principal.holder_id is not None and not principal.is_enterprise:
        limiter, subject = services.resident_limiter, principal.holder_id.hex
    await limiter.check(subject)
    return principal


def caller(*scopes: str) -> Callable[..., Awaitable[Principal]]:
    """A dependency that lets in who holds one of the scopes."""
    wanted = frozenset(scopes)

    async def dependency(request: Request) -> Principal:
        return await admit(request, services_of(request), wanted)

    dependency.__name__ = "caller_" + "_".join(scope.replace(":", "_") for scope in scopes)
    return dependency
