"""Requests that begin a few at a time while groups are committed."""

import asyncio
from collections import Counter
from typing import Any

from app.turns import AT_ONCE, Turns

CROWD = 3 * AT_ONCE


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
        for n in range(CROWD)
    ]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for n in cancelled:
        requests[n].cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(*requests, return_exceptions=True)
    counting.cancel()
    return door.began


async def test_under_pressure_few_begin_in_a_turn_in_order_of_arrival() -> None:
    began = await crowd(pressed=True)
    assert [number for number, _ in began] == list(range(CROWD))
    assert set(Counter(turn for _, turn in began).values()) == {AT_ONCE}


async def test_without_pressure_all_begin_at_once() -> None:
    assert len({turn for _, turn in await crowd(pressed=False)}) == 1


async def test_those_who_leave_keep_nobody_waiting() -> None:
    left = (AT_ONCE + 1, AT_ONCE + 2, 2 * AT_ONCE + 3, CROWD - 1)
    began = await crowd(pressed=True, cancelled=left)
    assert [number for number, _ in began] == [n for n in range(CROWD) if n not in left]
