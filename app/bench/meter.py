"""Who used the processors while something was measured, from /proc."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.bench.registry import BenchError

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_KIB_PER_MIB: Final = 1024


@dataclass(frozen=True)
class _Used:
    at: float
    service: float
    database: float
    client: float
    idle: float
    stolen: float


class Meter:
    """Measures from its making to `told`."""

    def __init__(self, service: int, postmaster: int | None) -> None:
        self._service = service
        self._postmaster = postmaster
        self._before = self._read()

    def told(self) -> str:
        """Shares of one core, and what of the machine was left; empty where there is no /proc."""
        before, after = self._before, self._read()
        if before is None or after is None:
            return ""
        took = after.at - before.at
        cores = os.cpu_count() or 1

        def share(name: str, of: int = 1) -> str:
            used = float(getattr(after, name)) - float(getattr(before, name))
            return f"{100 * used / took / of:.0f} %"

        return (
            f"of one core the service used {share('service')}, PostgreSQL {share('database')}, "
            f"the client {share('client')}; of {cores} cores {share('idle', cores)} idle, "
            f"{share('stolen', cores)} stolen"
        )

    def _read(self) -> _Used | None:
        if not _PROC.is_dir():
            return None
        database = 0.0
        if self._postmaster is not None:
            for folder in _PROC.iterdir():
                if folder.name.isdigit() and (fields := _fields(folder)):
                    if int(folder.name) == self._postmaster:
                        database += sum(map(int, fields[11:15]))  # with children that have ended
                    elif int(fields[1]) == self._postmaster:
                        database += sum(map(int, fields[11:13]))
        cpu = (_PROC / "stat").read_text().splitlines()[0].split()
        own = os.times()
        return _Used(
            at=time.perf_counter(),
            service=sum(map(int, _fields(_PROC / str(self._service))[11:13])) / _TICKS,
            database=database / _TICKS,
            client=own.user + own.system,
            idle=(int(cpu[4]) + int(cpu[5])) / _TICKS,
            stolen=int(cpu[8]) / _TICKS,
        )


def _fields(folder: Path) -> list[str]:
    """The fields of a process's `stat` after its name (proc_pid_stat(5), from field 3)."""
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def peak_memory_mib(pid: int) -> float:
    """The most memory that a process has had resident, MiB."""
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        raise BenchError("peak memory is read from /proc, which this system has not") from None
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / _KIB_PER_MIB
