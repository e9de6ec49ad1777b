"""The writer of lines: when it writes, what it drops, and what no bad output can do to us."""

import errno
from collections.abc import Iterator

import pytest

from tests.transport.output import PATIENCE_S, Output
from transport.log_writer import LogWriter


@pytest.fixture
def output() -> Iterator[Output]:
    """An output that lets its writer go in the end."""
    out = Output()
    yield out
    out.gate.set()


def made(output: Output, lines_max: int = 10_000) -> LogWriter:
    """A writer that tells of drops in words."""
    return LogWriter(output.write, lines_max, lambda count: b"dropped %d\n" % count)


def test_a_line_is_written_at_once_when_the_writer_is_idle(output: Output) -> None:
    """Nobody has to close or to wait for more."""
    writer = made(output)
    writer.put(b"a\n")
    assert output.wrote.wait(PATIENCE_S)
    assert output.text == b"a\n"
    assert writer.close(PATIENCE_S)


def test_a_line_that_comes_after_a_write_is_written_by_itself(output: Output) -> None:
    """Gathering ends: no further line is needed to push it out."""
    writer = made(output)
    for count in range(1, 4):
        output.wrote.clear()
        writer.put(b"a\n")
        assert output.wrote.wait(PATIENCE_S)
        assert len(output.writes) == count
    assert writer.close(PATIENCE_S)


def test_a_line_may_come_while_its_thread_is_about_another_one(output: Output) -> None:
    """The collector may finalize something in there that has its own to say."""
    writer = made(output)
    with writer._lock:
        writer.put(b"a\n")
    assert writer.close(PATIENCE_S)
    assert output.text == b"a\n"


def test_lines_that_come_during_a_write_share_the_next_one(output: Output) -> None:
    """A storm of joins costs a few writes, and keeps its order."""
    output.gate.clear()
    writer = made(output)
    writer.put(b"0\n")
    assert output.entered.wait(PATIENCE_S)
    for n in range(1, 501):
        writer.put(b"%d\n" % n)
    output.gate.set()
    assert writer.close(PATIENCE_S)
    assert output.text.split() == [b"%d" % n for n in range(501)]
    assert len(output.writes) == 2


def test_lines_that_come_soon_after_a_write_wait_for_each_other(output: Output) -> None:
    """Under load there are only so many writes a second, however quick the output is."""
    writer = LogWriter(output.write, 10, lambda count: b"%d" % count, gather_s=1000)
    writer.put(b"a\n")
    assert output.wrote.wait(PATIENCE_S)
    output.wrote.clear()
    writer.put(b"b\n")
    assert not output.wrote.wait(0.05)
    writer.put(b"c\n")
    assert writer.close(PATIENCE_S)
    assert output.writes == [b"a\n", b"b\nc\n"]


def test_a_blocked_output_drops_what_does_not_fit_and_says_how_many(output: Output) -> None:
    """No caller waits; the count comes after the lines that were kept."""
    output.gate.clear()
    writer = made(output, lines_max=10)
    writer.put(b"0\n")
    assert output.entered.wait(PATIENCE_S)
    for n in range(1, 25):
        writer.put(b"%d\n" % n)
    assert writer.dropped_total == 15
    output.gate.set()
    assert writer.close(PATIENCE_S)
    assert output.text.split(b"\n") == [b"%d" % n for n in range(10)] + [b"dropped 15", b""]


def test_long_lines_are_bounded_in_bytes_together(output: Output) -> None:
    """A count alone would let 10 000 long lines wait; 16 MiB hold 167 of these."""
    output.gate.clear()
    writer = made(output)
    line = b"x" * 99_999 + b"\n"
    writer.put(line)
    assert output.entered.wait(PATIENCE_S)
    for _ in range(999):
        writer.put(line)
    assert writer.dropped_total == 1000 - 167
    output.gate.set()
    assert writer.close(PATIENCE_S)
    assert output.text == line * 167 + b"dropped 833\n"


def test_a_writer_that_was_full_takes_lines_again_after_the_write(output: Output) -> None:
    """The bounds are on what waits, not on what ever came."""
    writer = made(output, lines_max=2)
    for n in range(5):
        output.entered.clear()
        writer.put(b"%d" % n + b"x" * 5_000_000 + b"\n")
        assert output.entered.wait(PATIENCE_S)
    assert writer.close(PATIENCE_S)
    assert [line[:1] for line in output.text.split()] == [b"0", b"1", b"2", b"3", b"4"]
    assert writer.dropped_total == 0


def test_an_output_that_takes_a_few_bytes_at_a_time_gets_them_all(output: Output) -> None:
    """A write may be short."""
    output.bytes_a_write = 7
    writer = made(output)
    writer.put(b"a" * 100 + b"\n")
    writer.put(b"b" * 100 + b"\n")
    assert writer.close(PATIENCE_S)
    assert output.text == b"a" * 100 + b"\n" + b"b" * 100 + b"\n"


def test_a_full_output_that_does_not_block_is_tried_again(output: Output) -> None:
    """Whoever started us may have made the pipe non-blocking."""
    output.failures = [BlockingIOError(errno.EAGAIN, "full") for _ in range(3)]
    writer = made(output)
    writer.put(b"a\n")
    assert writer.close(PATIENCE_S)
    assert output.text == b"a\n"
    assert writer.dropped_total == 0


def test_a_broken_pipe_ends_the_writing_and_nothing_else(output: Output) -> None:
    """Later calls neither raise nor pile up."""
    output.failures = [BrokenPipeError(errno.EPIPE, "gone")]
    writer = made(output)
    writer.put(b"a\n")
    assert output.entered.wait(PATIENCE_S)
    assert not writer.close(PATIENCE_S)
    for _ in range(10):
        writer.put(b"b\n")
    assert output.writes == []
    assert writer.dropped_total == 11


def test_after_a_broken_pipe_no_write_is_tried(output: Output) -> None:
    """Its descriptor may belong to something else by then."""
    output.failures = [BrokenPipeError(errno.EPIPE, "gone")]
    writer = made(output)
    writer.put(b"a\n")
    assert output.entered.wait(PATIENCE_S)
    writer._worker.join(PATIENCE_S)  # it ends by itself: nobody has closed it
    assert not writer._worker.is_alive()
    assert not writer.close(PATIENCE_S)
    assert output.writes == []


def test_a_full_disk_is_tried_again_and_the_loss_told_of(output: Output) -> None:
    """It may pass, unlike a reader that is gone."""
    output.failures = [OSError(errno.ENOSPC, "full"), OSError(errno.ENOSPC, "full")]
    writer = made(output)
    writer.put(b"a\n")
    assert output.wrote.wait(PATIENCE_S)  # by itself: nothing else was put
    writer.put(b"b\n")
    assert writer.close(PATIENCE_S)
    assert output.text == b"dropped 1\nb\n"
    assert writer.dropped_total == 1


def test_a_disk_that_stays_full_does_not_keep_the_writer_from_closing(output: Output) -> None:
    """The loss cannot be told of, and that is that."""
    output.failures = [OSError(errno.ENOSPC, "full")] * 1000
    writer = made(output)
    writer.put(b"a\n")
    assert not writer.close(PATIENCE_S)
    assert not writer._worker.is_alive()
    assert writer.dropped_total == 1


def test_closing_waits_no_longer_than_told_for_a_blocked_output(output: Output) -> None:
    """A terminal that was stopped must not keep the server from ending."""
    output.gate.clear()
    writer = made(output)
    writer.put(b"a\n")
    assert output.entered.wait(PATIENCE_S)
    assert not writer.close(0.01)
    assert output.writes == []
    writer.put(b"b\n")
    assert writer.dropped_total == 1


def test_closing_writes_what_waits(output: Output) -> None:
    """Also what came in the very last moment."""
    writer = made(output)
    for n in range(100):
        writer.put(b"%d\n" % n)
    assert writer.close(PATIENCE_S)
    assert output.text.split() == [b"%d" % n for n in range(100)]


def test_closing_twice_and_putting_afterwards_are_harmless(output: Output) -> None:
    """Shutdown paths meet."""
    writer = made(output)
    writer.put(b"a\n")
    assert writer.close(PATIENCE_S)
    writer.put(b"b\n")
    writer.close(PATIENCE_S)
    assert output.text == b"a\n"
    assert writer.dropped_total == 1
