"""`show`: an account or an explanation, as the API answers it."""

from typing import Annotated, Any

import typer

from app.auth.models import OrganisationKind
from app.commands.common import (
    CommandError,
    JsonFlag,
    UrlOption,
    bring_up_schema,
    console,
    local_client,
    print_json,
    run,
    service_at,
    stack_of,
)
from app.commands.replays import OPERATOR_NAME
from app.embedded.stack import Stack
from app.replay.api import Api, ApiError
from app.settings import load_settings


def show_command(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A holder (hld_…) or an activity (act_…).")],
    url: UrlOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show a holder's account with its latest entries, or why an activity was credited."""
    settings = load_settings()

    async def work(stack: Stack) -> dict[str, Any]:
        await bring_up_schema(stack)
        operator = await local_client(settings, stack, OrganisationKind.OPERATOR, OPERATOR_NAME)
        async with (
            service_at(settings, stack, url) as base,
            Api(base, operator.client_id, operator.secret) as api,
        ):
            if id_.startswith("hld_"):
                token = await api.holder_token(id_)
                account = await api.get("/v1/me/account", token=token)
                entries = await api.get("/v1/me/entries", token=token, limit=10)
                return {"account": account, "latest_entries": entries["items"]}
            found: dict[str, Any] = await api.get(f"/v1/activities/{id_}/explanation")
            return found

    with stack_of(settings, quiet=True) as stack:
        try:
            shown = run(work(stack))
        except ApiError as error:
            raise CommandError(str(error)) from None
    if as_json:
        print_json(shown)
    else:
        console.print_json(data=shown)
