"""Whose address counts: behind proxies of ours, behind others, and in which form."""

import pytest

from actors.settings import Settings, SettingsInvalid
from transport.forwarding import HOPS_MAX, Proxies, counted_as

PROXIES = Proxies(("10.0.0.0/8", "192.0.2.7", "fd00::/8"))


@pytest.mark.rule("T6.1")
@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.255.0.1", ["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
        ("192.0.2.7", ["198.51.100.1, 203.0.113.5 , 10.0.0.2,10.0.0.3"], "203.0.113.5"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["203.0.113.5:4711"], "203.0.113.5"),
        ("10.0.0.1", ["[2001:db8::5]:4711"], "2001:db8::5"),
        ("10.0.0.1", ["[2001:db8::5]"], "2001:db8::5"),
    ],
)
def test_what_our_proxy_appended_is_the_client(
    peer: str, forwarded: list[str], client: str
) -> None:
    """Read from the right, over proxies of ours, whatever stands further left."""
    assert PROXIES.client_of(peer, forwarded) == client


@pytest.mark.rule("T6.1")
@pytest.mark.parametrize(
    "forwarded", [["203.0.113.5"], ["10.0.0.1"], ["127.0.0.1, 10.0.0.1"], [""], []]
)
@pytest.mark.parametrize("peer", ["198.51.100.9", "192.0.2.8", "2001:db8::1", "11.0.0.1", ""])
def test_from_anybody_else_it_is_ignored(peer: str, forwarded: list[str]) -> None:
    """A client cannot count as another, whatever it says."""
    assert PROXIES.client_of(peer, forwarded) == peer
    assert Proxies(()).client_of(peer, forwarded) == peer


@pytest.mark.rule("T6.1")
@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["unknown"], "10.0.0.1"),
        (["203.0.113.5, unknown"], "10.0.0.1"),
        (["203.0.113.5, _hidden, 10.0.0.2"], "10.0.0.2"),
        (["203.0.113.5,"], "10.0.0.1"),
        (["203.0.113.5; 10.0.0.9"], "10.0.0.1"),
        (["999.0.113.5"], "10.0.0.1"),
        (["203.0.113.5\x00"], "10.0.0.1"),
        (["\u0661.0.0.1"], "10.0.0.1"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ],
)
def test_where_a_proxy_names_no_client_the_nearest_known_hop_counts(
    forwarded: list[str], client: str
) -> None:
    """Never what stands beyond something that is no address."""
    assert PROXIES.client_of("10.0.0.1", forwarded) == client


@pytest.mark.rule("T6.1")
def test_several_headers_are_one_list_in_their_order() -> None:
    """A client that sends one of its own is to the left of the proxy's."""
    assert PROXIES.client_of("10.0.0.1", ["198.51.100.1", "203.0.113.5"]) == "203.0.113.5"


@pytest.mark.rule("T6.1")
def test_a_chain_longer_than_any_of_ours_is_read_no_further() -> None:
    """The work is bounded, and the hop where reading stops counts."""
    chain = ", ".join(["203.0.113.5"] + [f"10.0.1.{n}" for n in range(HOPS_MAX)])
    assert PROXIES.client_of("10.0.0.1", [chain]) == "10.0.1.0"


@pytest.mark.rule("T6.2")
@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_address_counts_as_its_subscriber(address: str, counted: str) -> None:
    """And the two spellings of an IPv4 address count as one."""
    assert counted_as(address) == counted


@pytest.mark.rule("T6.1")
@pytest.mark.parametrize(
    "wrong", ["10.0.0.1/8", "10.0.0.0/33", "999.1.1.1", "proxy.example", "*", "::g", "10.0.0.0/"]
)
def test_proxies_that_are_no_networks_are_refused_at_the_start(wrong: str) -> None:
    """By name: a misspelt proxy must not be one that nobody trusts."""
    with pytest.raises(SettingsInvalid, match=r"trusted_proxies.*expected a list such as"):
        Settings(trusted_proxies=("10.0.0.0/8", wrong))
