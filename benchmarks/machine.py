"""What the operating system says of a process and of the machine. Linux only.

Owns the reading of CPU clocks, resident memory and cores; decides nothing. Raises
ProcessLookupError or FileNotFoundError when the process is gone.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from transport.process import is_compiled


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of `pid`, user and system, in ns; ended threads included.

    The clock's number is the kernel's: the inverted pid, shifted by three, with 2 for the
    scheduler's clock (what clock_getcpuclockid(3) computes).
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError as gone:
        raise ProcessLookupError(f"no process {pid}") from gone


def rss_kib(pid: int) -> int:
    """Resident memory in KiB. Kernel socket buffers are not in it.

    From smaps_rollup, which counts pages; VmRSS in `status` may lag by some hundred KiB.
    """
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise ProcessLookupError(f"no memory figures for process {pid}")


def core_busy_ns(core: int) -> int:
    """How long `core` was not idle since boot, in steps of the kernel's tick (10 ms)."""
    return busy_ns_in(Path("/proc/stat").read_text(), core, os.sysconf("SC_CLK_TCK"))


def busy_ns_in(stat: str, core: int, ticks_per_s: int) -> int:
    """The same from the text of /proc/stat; 0 when the core is not listed."""
    for line in stat.splitlines():
        name, _, rest = line.partition(" ")
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, rest.split()[:8])
            return (user + nice + system + irq + softirq + steal) * (10**9 // ticks_per_s)
    return 0


def take_a_core() -> int | None:
    """Pin this process, the generator, to the second core it has; the first, for the servers.

    None, and nothing is pinned, where there is only one.
    """
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        return None
    os.sched_setaffinity(0, {mine[1]})
    return mine[0]


def allow_many_sockets() -> int:
    """Raise the soft limit of open files to the hard one and return it. Children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def machine_line() -> str:
    """Processor, cores, memory, kernel, interpreter, the libraries that matter to a result, and
    whether ours is compiled.
    """
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    libraries = ", ".join(f"{name} {_version(name)}" for name in ("uvloop", "websockets", "pykka"))
    return (
        f"{os.cpu_count()} cores ({_cpu_model()}), {pages / 2**30:.0f} GiB, "
        f"Linux {platform.release().split('-')[0]}, Python {sys.version.split()[0]}, {libraries}, "
        f"{'compiled' if is_compiled() else 'not compiled'}"
    )


def commit_line(root: Path) -> str:
    """The commit measured, `+` when files of the product differ from it, `none` outside git."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = git("rev-parse", "--short=12", "HEAD")
    changed = git("status", "--porcelain", "--", "actors", "transport")
    return (commit or "none") + ("+" if changed else "")
