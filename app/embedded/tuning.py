"""Settings of the embedded PostgreSQL that fit the machine it finds itself on."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB

# What is acknowledged has to survive (design, 4.9). Given on the command line, where neither a file nor
# ALTER SYSTEM overrides it.
DURABILITY: Final = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}

# Limits of a container, version 2 and 1 of control groups; absent or huge where there is none.
_MEMORY_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(frozen=True)
class Machine:
    """What the server may use. Sizes in bytes; `shared_memory` is None where /dev/shm does not exist."""

    memory: int
    cpus: int
    free_disk: int
    shared_memory: int | None


def this_machine(folder: Path) -> Machine:
    """Measure this machine, or the container that holds it; `folder` lies on the disk in question."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):
            memory = min(memory, int(limit.read_text()))
    shm = Path("/dev/shm")  # noqa: S108 -- only its size is read
    return Machine(
        memory=memory,
        cpus=os.cpu_count() or 1,
        free_disk=shutil.disk_usage(folder).free,
        shared_memory=shutil.disk_usage(shm).total if shm.is_dir() else None,
    )


def fitting(machine: Machine) -> dict[str, str]:
    """Choose memory, WAL and maintenance for `machine`."""
    # Holders and tokens are met at random, so that a year of them is better kept than read again and again (design,
    # section 8). PostgreSQL's own advice ends at 40 per cent.
    shared_buffers = _between(128 * MIB, machine.memory * 2 // 5, 16 * GIB)
    max_wal = _between(512 * MIB, machine.free_disk // 8, 8 * GIB)
    # Parallel queries exchange rows through /dev/shm; the 64 MB of a plain container are too little for a
    # parallel hash join, which then fails instead of being slow.
    parallel = machine.shared_memory is None or machine.shared_memory >= GIB
    return {
        # Memory
        "shared_buffers": _mb(shared_buffers),
        "huge_pages": "try",
        "effective_cache_size": _mb(machine.memory * 3 // 4),
        "work_mem": _mb(_between(4 * MIB, machine.memory // 1024, 32 * MIB)),
        "maintenance_work_mem": _mb(_between(64 * MIB, machine.memory // 16, GIB)),
        "max_connections": "60",
        # A batch touches many time partitions, each with its indexes.
        "max_locks_per_transaction": "256",
        # WAL: rare checkpoints, spread out, since each one makes the next touch of a page log it whole.
        "wal_buffers": _mb(_between(16 * MIB, shared_buffers // 64, 64 * MIB)),
        "max_wal_size": _mb(max_wal),
        "min_wal_size": _mb(max_wal // 8),
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        # Reads and plans for solid-state disks; compiling never pays for short statements.
        "random_page_cost": "1.1",
        "jit": "off",
        "max_parallel_workers_per_gather": str(min(4, machine.cpus // 2) if parallel else 0),
        "max_parallel_maintenance_workers": str(min(2, machine.cpus // 2) if parallel else 0),
        # Vacuum: hot tables grow by inserts; the defaults would wait for a fifth of many millions of rows.
        "autovacuum_naptime": "20s",
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_vacuum_insert_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.02",
        "autovacuum_vacuum_cost_limit": "1000",
        # Times: queries name their zone; this is what people see in psql and in the log.
        "timezone": "Asia/Shanghai",
        "log_timezone": "Asia/Shanghai",
        # No identifier reaches the log (design, 4.10): the text of an error can quote a value, its detail a
        # key, its statement a parameter. The service has its errors; the log keeps the life of the server.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_statement": "none",
        "log_startup_progress_interval": "5s",
        "log_line_prefix": "%m [%p] ",
    }


def render(settings: dict[str, str]) -> str:
    """Write settings as a PostgreSQL configuration file."""
    lines = [f"{name} = {_quoted(value)}" for name, value in settings.items()]
    return "# Written at each start by app.embedded; changes are lost.\n" + "\n".join(lines) + "\n"


def _between(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


def _mb(size: int) -> str:
    return f"{size // MIB}MB"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
