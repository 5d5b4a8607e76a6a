"""The client's patience, without a service."""

import asyncio
from collections.abc import Callable

import httpx
import orjson
import pytest

from app.replay.api import Api, ApiError
from app.replay.flight import Flight

Answer = httpx.Response | Exception


class Script:
    """A service that answers from a list, and a clock that only sleeping moves."""

    def __init__(self, *answers: Answer, expires_in: int = 3600) -> None:
        self.answers = list(answers)
        self.expires_in = expires_in
        self.requests: list[httpx.Request] = []
        self.tokens = 0
        self.now = 0.0
        self.pauses: list[float] = []

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            assert request.content == b"grant_type=client_credentials"
            assert request.headers["authorization"].startswith("Basic ")
            self.tokens += 1
            body = {
                "access_token": f"token {self.tokens}",
                "token_type": "Bearer",
                "expires_in": self.expires_in,
            }
            return httpx.Response(200, json=body)
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def api(self, patience_s: float = 60) -> Api:
        return Api(
            "http://service",
            "cli_x",
            "secret",
            patience_s=patience_s,
            transport=httpx.MockTransport(self.handle),
            clock=lambda: self.now,
            sleep=self.sleep,
        )


def ok(*items: object) -> httpx.Response:
    return httpx.Response(200, json={"items": list(items)})


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": "No", "errors": []}, headers=headers)


async def test_a_service_that_comes_back_gets_the_same_body_again() -> None:
    script = Script(
        httpx.ConnectError("refused"),
        httpx.ReadError("killed"),
        httpx.RemoteProtocolError("half an answer"),
        problem(503, "storage.unavailable", **{"Retry-After": "2"}),
        problem(429, "request.rate_limited", **{"Retry-After": "7"}),
        ok({"outcome": "credited"}),
    )
    async with script.api() as api:
        assert await api.report([{"event_id": "1"}]) == [{"outcome": "credited"}]
    assert {request.content for request in script.requests} == {orjson.dumps([{"event_id": "1"}])}
    assert script.pauses == [0.2, 0.4, 0.8, 2.0, 7.0]
    assert script.tokens == 1


async def test_patience_ends() -> None:
    script = Script(*(httpx.ConnectError("refused") for _ in range(100)))
    async with script.api(patience_s=30) as api:
        with pytest.raises(ApiError) as error:
            await api.get("/v1/me/account")
    assert error.value.code == "unreachable"
    assert script.now <= 30
    assert max(script.pauses) <= 10
    script = Script(*(problem(503, "storage.unavailable", **{"Retry-After": "20"}) for _ in range(100)))
    async with script.api(patience_s=30) as api:
        with pytest.raises(ApiError) as error:
            await api.get("/v1/me/account")
    assert (error.value.code, error.value.status) == ("storage.unavailable", 503)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 422, 500])
async def test_a_refusal_is_told_by_its_code_and_not_repeated(status: int) -> None:
    script = Script(problem(status, "request.invalid"))
    async with script.api() as api:
        with pytest.raises(ApiError, match=r"request\.invalid") as error:
            await api.report([{}])
    assert error.value.status == status
    assert not script.pauses


async def test_an_answer_that_is_no_problem_document() -> None:
    script = Script(httpx.Response(500, text="<html>"), httpx.Response(200, text="<html>"))
    async with script.api() as api:
        with pytest.raises(ApiError) as error:
            await api.get("/x")
        assert error.value.code == "http.500"
        with pytest.raises(ApiError) as error:
            await api.get("/x")
        assert error.value.code == "unreadable"


async def test_the_token_is_fetched_once_and_renewed_before_it_ends() -> None:
    script = Script(ok(), ok(), ok(), expires_in=300)
    async with script.api() as api:
        await asyncio.gather(api.report([{}]), api.report([{}]))
        assert script.tokens == 1
        script.now = 271
        await api.report([{}])
    assert script.tokens == 2
    assert script.requests[-1].headers["authorization"] == "Bearer token 2"


async def test_a_token_that_is_no_longer_known_is_replaced_once() -> None:
    script = Script(
        problem(401, "auth.invalid"), ok(), problem(401, "auth.invalid"), problem(401, "auth.invalid")
    )
    async with script.api() as api:
        await api.report([{}])
        assert script.tokens == 2
        with pytest.raises(ApiError) as error:
            await api.report([{}])
    assert error.value.status == 401
    assert script.tokens == 3


async def test_large_batches_are_split() -> None:
    sizes: list[int] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            return httpx.Response(200, json={"access_token": "t", "expires_in": 60})
        body = orjson.loads(request.content)
        given = body["holders"] if isinstance(body, dict) else body
        sizes.append(len(given))
        return httpx.Response(200, json={"items": given})

    async with Api("http://service", "a", "b", transport=httpx.MockTransport(answer)) as api:
        assert await api.report([{"n": n} for n in range(7_000)]) == [{"n": n} for n in range(7_000)]
        assert len(await api.onboard([{"n": n} for n in range(5_001)])) == 5_001
    assert sizes == [5_000, 2_000, 5_000, 1]


async def test_a_flight_is_bounded_and_fails_whole() -> None:
    running = peak = 0
    cancelled: list[int] = []

    async def work(number: int, act: Callable[[], None] = lambda: None) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        try:
            await asyncio.sleep(0.001 if number < 10 else 5)
            act()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        finally:
            running -= 1

    async with Flight(2) as flight:
        for number in range(6):
            await flight.start(work(number))
    assert (running, peak) == (0, 2)

    def fail() -> None:
        raise ApiError("x", 422, "no")

    async def three() -> None:
        async with Flight(2) as flight:
            await flight.start(work(10))
            await flight.start(work(1, fail))
            await flight.start(work(2))

    with pytest.raises(ApiError):
        await three()
    assert (running, cancelled) == (0, [10])
