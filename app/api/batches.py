"""Batches of one kind of item: a JSON array, or lines that are read, answered and forgotten piece by piece."""

import io
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, FailFast, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from accounts.errors import Fault
from accounts.fields import MAX_TEXT
from app.api.http import NDJSON, faults_of
from app.problems import RequestError

Item = TypeVar("Item", bound=BaseModel)
MAX_ITEM_BYTES: Final = 65_536
SPOOLED_BYTES: Final = 4 * 1024 * 1024
"""Answers beyond this wait on disk."""
_PIECE: Final = 256 * 1024

Invalid = tuple[str | None, list[Fault]]
"""What an invalid item calls itself, and its faults."""
Answering = Callable[[Sequence[Any]], Awaitable[list[dict[str, Any]]]]


class Items(Generic[Item]):
    """Reads items of a model; `name` is the field by which callers know theirs, and is told with faults."""

    def __init__(self, model: type[Item], name: str) -> None:
        self._one: TypeAdapter[Item] = TypeAdapter(model)
        self._many: TypeAdapter[list[Item]] = TypeAdapter(_failing_fast(model))
        self._name = name

    def array(self, body: bytes, most: int) -> Sequence[Item | Invalid]:
        """The items of a JSON array; only a bad envelope is refused as a whole."""
        try:
            items = self._many.validate_json(body)
        except ValidationError:
            # At least one item does not fit. Look at each on its own, so that the others go through.
            try:
                raw = from_json(body, allow_inf_nan=False)
            except ValueError:
                raise RequestError("request.malformed") from None
            if not isinstance(raw, list):
                raise RequestError("request.invalid", Fault("", "Input should be a valid array")) from None
            _bounded(len(raw), most)
            return [self.item(to_json(value), index) for index, value in enumerate(raw)]
        _bounded(len(items), most)
        return items

    def item(self, body: bytes, index: int) -> Item | Invalid:
        """One item by itself; faults carry its place."""
        place = f"/{index}"
        if len(body) > MAX_ITEM_BYTES:
            return None, [Fault(place, "too large for one item")]
        try:
            return self._one.validate_json(body)
        except ValidationError as error:
            return self._named(body), faults_of(error, place)

    def _named(self, body: bytes) -> str | None:
        try:
            value = from_json(body)
        except ValueError:
            return None
        name = value.get(self._name) if isinstance(value, dict) else None
        return name if isinstance(name, str) and len(name) <= MAX_TEXT else None

    async def stream(self, request: Request, answering: Answering, size: int) -> Response:
        """Answer lines, `size` at a time, while they come in; the answers are sent when all have come.

        So one may send everything before one reads, as most clients do. What is kept meanwhile is a piece of lines,
        and the answers, in a file without a name once they are many.
        """
        # The answer's own iterator closes it, or what fails before there is one.
        file = tempfile.SpooledTemporaryFile(max_size=SPOOLED_BYTES)  # noqa: SIM115
        try:
            index = 0
            async for lines in _pieces(request, size):
                items = [self.item(line, index + place) for place, line in enumerate(lines)]
                index += len(items)
                for answer in await answering(items):
                    file.write(orjson.dumps(answer) + b"\n")
            file.seek(0)
        except BaseException:
            file.close()
            raise

        async def answers() -> AsyncIterator[bytes]:
            try:
                while piece := file.read(_PIECE):
                    yield piece
            finally:
                file.close()

        return StreamingResponse(answers(), media_type=NDJSON)


def _failing_fast(model: type[Item]) -> Any:
    return Annotated[list[model], FailFast()]  # type: ignore[valid-type]


def _bounded(count: int, most: int) -> None:
    if count > most:
        raise RequestError("request.invalid", Fault("", f"at most {most} items in a batch"))


async def _pieces(request: Request, size: int) -> AsyncIterator[list[bytes]]:
    """Lines, `size` at a time, without empty ones; of a line that is too long, enough to be refused."""
    lines: list[bytes] = []
    rest = bytearray()
    try:
        async for chunk in request.stream():
            rest += chunk
            end = rest.rfind(b"\n")
            if end < 0:
                del rest[MAX_ITEM_BYTES + 1 :]
                continue
            for line in io.BytesIO(bytes(rest[:end])):
                if line.strip():
                    lines.append(line)
                    if len(lines) == size:
                        yield lines
                        lines = []
            del rest[: end + 1]
            del rest[MAX_ITEM_BYTES + 1 :]
    except ClientDisconnect:
        # Nobody reads the answer. What was answered stays: the same lines again are answered as before.
        raise RequestError("request.malformed") from None
    if rest.strip():
        lines.append(bytes(rest))
    if lines:
        yield lines
