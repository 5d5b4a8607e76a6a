"""Rows of the backtest: ten million made-up activities, computed again by DuckDB in a process of its own."""

import asyncio
from typing import TYPE_CHECKING, Final

from app.bench.lab import Lab
from app.bench.registry import Measured, row

if TYPE_CHECKING:
    from app.bench.backtest_lab import Run

_ACTS: Final = 10_000_000
_runs: "dict[bool, Run]" = {}


@row("backtest_10m_s", unit="s", floor=60, aim=30, served=False)
async def backtest_10m_s(lab: Lab) -> Measured:
    """Seconds of the whole command over an export of ten million activities, start of Python included."""
    done = await _run(lab)
    rate = done.acts / done.seconds
    return Measured(
        done.seconds,
        f"{done.acts:,} made-up acts of {done.holders:,} holders, two versions with caps, recomputed from the "
        f"export by the whole command, {done.computing_s} s of it computing; {done.told}; {rate:,.0f} acts/s, the "
        f"row engine {done.row_engine_per_s:,.0f} acts/s on one core in the same run "
        f"({rate / done.row_engine_per_s:.0f} times)",
    )


@row("backtest_memory_mb", unit="MiB", floor=2048, aim=1024, served=False)
async def backtest_memory_mb(lab: Lab) -> Measured:
    """The most memory that this command has resident."""
    done = await _run(lab)
    return Measured(
        done.peak_mib,
        f"peak resident memory of the process of backtest_10m_s, Python and libraries included; {done.acts:,} "
        f"acts; {done.told}",
    )


async def _run(lab: Lab) -> "Run":
    """Both rows are of one run."""
    # DuckDB and Ibis take a second to import, which no other row and no command should wait for.
    from app.bench import backtest_lab  # noqa: PLC0415

    if lab.quick not in _runs:
        acts = _ACTS // 10 if lab.quick else _ACTS
        _runs[lab.quick] = await asyncio.to_thread(
            backtest_lab.measure, lab.settings.data_dir / "backtest", acts, lab.say
        )
    return _runs[lab.quick]
