"""Requests that begin one by one while groups are committed."""

import asyncio
from typing import Any

from app.turns import Turns


class Door:
    """An application that notes when requests begin, in turns of the loop."""

    def __init__(self) -> None:
        self.began: list[tuple[int, int]] = []
        self.turn = 0

    async def __call__(self, scope: dict[str, Any], _receive: object, _send: object) -> None:
        self.began.append((scope["number"], self.turn))

    async def count_turns(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)


async def crowd(*, pressed: bool, cancelled: tuple[int, ...] = ()) -> list[tuple[int, int]]:
    door = Door()
    turns = Turns(door, lambda: pressed)  # type: ignore[arg-type]
    counting = asyncio.create_task(door.count_turns())
    requests = [
        asyncio.create_task(turns({"type": "http", "number": n}, None, None))  # type: ignore[arg-type]
        for n in range(20)
    ]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for n in cancelled:
        requests[n].cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(*requests, return_exceptions=True)
    counting.cancel()
    return door.began


async def test_under_pressure_a_turn_begins_one_request_in_order_of_arrival() -> None:
    began = await crowd(pressed=True)
    assert [number for number, _ in began] == list(range(20))
    assert len({turn for _, turn in began}) == len(began)


async def test_without_pressure_all_begin_at_once() -> None:
    assert len({turn for _, turn in await crowd(pressed=False)}) == 1


async def test_those_who_leave_keep_nobody_waiting() -> None:
    began = await crowd(pressed=True, cancelled=(5, 6, 7, 19))
    assert [number for number, _ in began] == [n for n in range(20) if n not in (5, 6, 7, 19)]
