"""Who comes too often, too many at once, or in another's name, before any WebSocket is open."""

import pytest

from tests.transport.sockets import Caller, Porch

ANN, BOB = "192.0.2.1", "192.0.2.2"


def asked(porch: Porch, address: str = ANN, **headers: str) -> Caller:
    """Whoever has sent a right handshake."""
    caller = porch.caller(address)
    caller.send_raw(caller.handshake_bytes(**headers))
    return caller


def status(caller: Caller) -> int:
    """What it was answered with."""
    assert caller.response is not None
    return caller.response.status_code


# -- how often


@pytest.mark.rule("T6.3")
def test_an_address_that_comes_too_often_is_told_when_to_come_back() -> None:
    """And then one handshake passes; other addresses never noticed."""
    porch = Porch(ip_handshakes_per_s=0.5, limit_burst_s=4)
    assert [status(asked(porch)) for _ in range(3)] == [101, 101, 429]
    late = asked(porch)
    assert late.response is not None
    assert late.response.headers["Retry-After"] == "2"
    assert status(asked(porch, BOB)) == 101
    porch.clock.advance(2)
    assert [status(asked(porch)) for _ in range(2)] == [101, 429]


@pytest.mark.rule("T6.3")
def test_a_handshake_that_is_refused_for_something_else_counts_too() -> None:
    """Whoever tries foreign origins one after the other is slowed down as well."""
    porch = Porch(ip_handshakes_per_s=1, limit_burst_s=2)
    foreign = [status(asked(porch, Origin="http://evil.example")) for _ in range(3)]
    assert foreign == [403, 403, 429]


@pytest.mark.rule("T6.10")
def test_of_addresses_that_came_and_went_nothing_is_left() -> None:
    """At most `limited_max` are remembered, and each only as long as it matters."""
    porch = Porch(ip_handshakes_per_s=1, limit_burst_s=5, limited_max=100)
    for n in range(300):
        asked(porch, f"198.51.{n % 256}.{n // 256}").wire.break_()
    porch.clock.advance(0)
    assert len(porch.door.arrivals._buckets) == 100
    porch.clock.advance(30)
    assert len(porch.door.arrivals._buckets) == 0


@pytest.mark.rule("T6.3", "T6.10")
def test_where_no_rate_is_set_nothing_is_counted() -> None:
    """Out of the box."""
    porch = Porch()
    assert {status(asked(porch)) for _ in range(200)} == {101}
    assert len(porch.door.arrivals._buckets) == 0


# -- in whose name


@pytest.mark.rule("T6.1", "C1.11")
def test_behind_a_trusted_proxy_each_client_is_counted_for_itself() -> None:
    """As it comes, and as it goes."""
    porch = Porch(trusted_proxies=("192.0.2.0/24",), connections_per_ip_max=1)
    ann = asked(porch, X_Forwarded_For="203.0.113.5")
    assert status(asked(porch, X_Forwarded_For="198.51.100.7, 203.0.113.5")) == 429
    assert status(asked(porch, X_Forwarded_For="203.0.113.6")) == 101
    ann.wire.break_()
    porch.clock.advance(0)
    assert status(asked(porch, X_Forwarded_For="203.0.113.5")) == 101


@pytest.mark.rule("T6.1", "C1.11")
def test_a_forged_header_gives_nobody_another_address() -> None:
    """Without proxies of ours, or from somebody who is none."""
    for proxies in ((), ("10.0.0.0/8",)):
        porch = Porch(trusted_proxies=proxies, connections_per_ip_max=1)
        forged = [status(asked(porch, X_Forwarded_For=f"203.0.113.{n}")) for n in range(3)]
        assert forged == [101, 429, 429]
        assert status(asked(porch, BOB, X_Forwarded_For=ANN)) == 101


@pytest.mark.rule("T6.2", "C1.11")
def test_the_addresses_of_one_ipv6_subscriber_are_one() -> None:
    """Another /64 is another's."""
    porch = Porch(connections_per_ip_max=2)
    addresses = ["2001:db8::1", "2001:db8::ffff:2", "2001:db8::3", "2001:db8:0:1::1"]
    assert [status(asked(porch, address)) for address in addresses] == [101, 101, 429, 101]


# -- how many at once


@pytest.mark.rule("T6.4", "C1.17")
def test_thousands_of_half_open_handshakes_leave_room_for_whole_ones() -> None:
    """The pool is bounded; the slowest give way; whoever says what it wants is served."""
    porch = Porch(handshakes_waiting_max=100)
    slow = [porch.caller() for _ in range(3000)]
    for caller in slow[-100:]:
        caller.send_raw(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    assert len(porch.door.guests) == 100
    assert all(caller.wire.was_aborted for caller in slow[:-100])
    for _ in range(50):
        assert status(asked(porch)) == 101
    assert porch.door.admission.open_count == 50
    porch.clock.advance(porch.settings.handshake_timeout_s + 1)
    assert len(porch.door.guests) == 50


@pytest.mark.rule("T6.4")
def test_a_connection_that_is_open_is_never_cut_off_for_others() -> None:
    """Also where it came first: only those who have not said what they want are in the pool."""
    porch = Porch(handshakes_waiting_max=1)
    guests = [porch.guest() for _ in range(3)]
    waiting = [porch.caller() for _ in range(3)]
    assert [caller.wire.was_aborted for caller in waiting] == [True, True, False]
    assert not any(guest.wire.was_aborted for guest in guests)
