"""A progress bar with a rate, or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[int], None]
"""Told how many activities were answered."""


class RateColumn(ProgressColumn):
    """Activities per second."""

    def render(self, task: Task) -> Text:
        """Return the rate of the last seconds."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


@contextmanager
def track(console: Console | None, text: str, total: int | None) -> Iterator[Advance]:
    """Show a bar on `console` while it is open; with `None` nothing is shown."""
    if console is None:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(text, total=total)
        yield lambda count: progress.advance(task, count)
