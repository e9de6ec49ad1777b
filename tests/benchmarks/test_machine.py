"""Readings of the operating system, held against what Python knows of its own process."""

import os
import subprocess
import sys
import time

import pytest

from benchmarks.machine import busy_ns_in, cpu_ns, machine_line, rss_kib


def test_the_cpu_clock_of_a_process_is_its_own() -> None:
    """Read by pid it lies between two readings that the process makes of itself."""
    before = time.process_time_ns()
    by_pid = cpu_ns(os.getpid())
    assert before <= by_pid <= time.process_time_ns()


def test_the_cpu_clock_of_an_ended_process_is_an_error() -> None:
    """A server that died must not read as one that needed nothing."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    with pytest.raises(ProcessLookupError):
        cpu_ns(ended.pid)


def test_resident_memory_grows_with_what_is_written() -> None:
    """Thirty-two MiB of fresh bytes show, in KiB, in a process that has nothing to use again."""
    code = (
        "import sys; print(flush=True); sys.stdin.readline();"
        "block = bytearray(b'x') * 2**25; print(flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        before = rss_kib(child.pid)
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdout.readline()
        grown = rss_kib(child.pid) - before
        child.stdin.close()
    assert 30 * 1024 < grown < 40 * 1024


def test_a_busy_core_is_all_but_idle_and_waiting() -> None:
    """User, nice, system, interrupts and stolen time count; core 1 is not core 10."""
    stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu10 9 9 9 9 9 9 9 9 0 0\ncpu1 1 2 4 800 900 8 16 32 0 0\n"
    assert busy_ns_in(stat, 1, 100) == 63 * 10_000_000
    assert busy_ns_in(stat, 5, 100) == 0


def test_the_machine_line_names_interpreter_and_libraries() -> None:
    """A result without them could not be compared."""
    line = machine_line()
    assert sys.version.split(maxsplit=1)[0] in line
    assert "websockets" in line
