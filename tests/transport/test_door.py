"""What the connections of a server share: who is in, who is sent off, who is cut off."""

import pytest
from websockets.frames import Frame, Opcode

from tests.transport.sockets import Caller, Porch


def status(caller: Caller) -> int:
    """What the caller's handshake is answered with."""
    caller.send_raw(caller.handshake_bytes())
    assert caller.response is not None
    return caller.response.status_code


@pytest.mark.rule("C1.11", "H2.1")
def test_an_address_has_so_many_connections_and_one_that_ends_makes_room() -> None:
    """Counted from the upgrade on, by the address of the socket."""
    porch = Porch(connections_per_ip_max=2, connections_max=100)
    first, _ = porch.guest(), porch.guest()
    assert status(porch.caller()) == 429
    assert status(porch.caller("192.0.2.9")) == 101
    first.wire.break_()
    porch.clock.advance(0)
    assert status(porch.caller()) == 101
    assert status(porch.caller()) == 429
    assert porch.door.admission.open_count == 3


@pytest.mark.rule("C1.12", "H2.1")
def test_a_full_server_is_503_until_somebody_goes() -> None:
    """Sockets that are no WebSocket do not count."""
    porch = Porch(connections_max=2)
    porch.caller()
    porch.caller().wire.arrive(b"GET /healthz HTTP/1.1\r\n\r\n")
    first, _ = porch.guest("192.0.2.1"), porch.guest("192.0.2.2")
    assert status(porch.caller("192.0.2.3")) == 503
    first.send(Frame(Opcode.CLOSE, b""))
    porch.clock.advance(0)
    assert status(porch.caller("192.0.2.3")) == 101
    assert porch.door.admission.open_count == 2


@pytest.mark.rule("C1.11")
def test_a_refused_handshake_leaves_no_count_behind() -> None:
    """However often it is tried."""
    porch = Porch(connections_per_ip_max=1)
    for _ in range(5):
        caller = porch.caller()
        caller.send_raw(caller.handshake_bytes(Origin="http://evil.example"))
        assert caller.is_lost
    assert status(porch.caller()) == 101
    assert porch.door.admission.open_count == 1


# -- the drain


@pytest.mark.rule("O2.1", "O2.2")
def test_a_drain_sends_everybody_off_with_a_time_of_their_own() -> None:
    """First the time, then the close with 1012; the rooms hear of no loss (see the session)."""
    porch = Porch()
    guests = [porch.guest(f"192.0.2.{n}") for n in range(5)]
    times = iter(range(1000, 2000, 100))
    porch.door.drain(lambda: next(times))
    told = []
    for guest in guests:
        text, close = guest.heard()
        assert (text.opcode, close.opcode) == (Opcode.TEXT, Opcode.CLOSE)
        assert guest.close_code == 1012
        told += guest.session.waits_ms
        guest.answer()
        assert guest.is_lost
    assert sorted(told) == [1000, 1100, 1200, 1300, 1400]


@pytest.mark.rule("O2.3")
def test_a_handshake_that_was_under_way_when_the_drain_began_is_503() -> None:
    """It is not left hanging either."""
    porch = Porch()
    caller = porch.caller()
    raw = caller.handshake_bytes()
    caller.send_raw(raw[:50])
    porch.door.drain(lambda: 1)
    caller.send_raw(raw[50:])
    assert caller.response is not None
    assert (caller.response.status_code, caller.is_lost) == (503, True)


@pytest.mark.rule("O2.2")
def test_who_is_closing_already_is_not_sent_off_again() -> None:
    """It has its code."""
    porch = Porch()
    guest = porch.guest()
    guest.send(b"\xff")
    porch.door.drain(lambda: 1)
    assert (guest.close_code, guest.session.waits_ms) == (1007, [])


def test_the_last_one_to_leave_is_told_to_whoever_waits_for_it() -> None:
    """And not the one before."""
    porch = Porch()
    first, second = porch.guest(), porch.guest()
    told: list[int] = []
    porch.door.on_emptied = lambda: told.append(len(porch.door.guests))
    first.wire.break_()
    porch.clock.advance(0)
    assert told == []
    second.wire.break_()
    porch.clock.advance(0)
    assert told == [0]


@pytest.mark.rule("O2.4")
def test_a_stop_cuts_off_whoever_is_still_there_and_waits_for_nothing() -> None:
    """Open, closing, or still shaking hands; no timer is left."""
    porch = Porch()
    guest, closing, caller = porch.guest(), porch.guest(), porch.caller()
    porch.clock.advance(15)
    for each in (guest, closing):
        each.read()
        each.answer()
    porch.door.drain(lambda: 1)
    porch.door.stop()
    porch.clock.advance(0)
    for each in (guest, closing, caller):
        assert (each.wire.ended(), each.wire.was_aborted) == (True, True)
    assert (porch.door.guests, porch.clock.waiting) == ({}, 0)


# -- heartbeats of many


@pytest.mark.rule("G6.16")
def test_a_thousand_guests_are_pinged_in_groups_and_each_in_its_time() -> None:
    """The loop is woken a few times for all, not once for each."""
    porch = Porch(heartbeat_s=10, heartbeat_timeout_s=10)
    guests = []
    for n in range(200):
        guests.append(porch.guest(f"192.0.2.{n}"))
        porch.clock.advance(0.05)
    timers = porch.clock.waiting
    assert timers <= 8
    pings = [0] * len(guests)
    for _ in range(100):
        porch.clock.advance(0.5)
        for n, guest in enumerate(guests):
            pings[n] += sum(each.opcode is Opcode.PING for each in guest.heard())
            guest.answer()
    assert all(5 <= count <= 6 for count in pings)
    assert not any(guest.wire.ended() for guest in guests)
