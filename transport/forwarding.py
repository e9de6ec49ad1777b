"""Whose address a connection counts for, also behind proxies. PURE: addresses as text.

Owns which part of `X-Forwarded-For` is believed (none, unless the peer is a proxy of ours) and what
counts as one address. Anybody may send the header; what a proxy of ours appended at its right end
is the only part that is true.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

HOPS_MAX: Final = 16
"""So many addresses are read from the right; a chain of more proxies is nobody's."""
_V6_NETWORK_BITS: Final = 64


class Proxies:
    """The networks of `trusted_proxies`. Raises ValueError for what is no address or network."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: Final = tuple(ip_network(each) for each in networks)

    def client_of(self, peer: str, forwarded: Iterable[str]) -> str:
        """The client's address: the peer's own, unless that is a proxy of ours.

        `forwarded` are the values of all `X-Forwarded-For` headers in their order, which make one
        list (RFC 9110, 5.2). It is read from the right: proxies of ours are passed over, and the
        first address that is none is the client. Where a proxy of ours names none, or something
        that is no address (`unknown`, RFC 7239, 6.2), the nearest proxy that is known counts.
        """
        if not self._networks or not self._trusts(peer):
            return peer
        client = peer
        parts = ",".join(forwarded).rsplit(",", HOPS_MAX)[-HOPS_MAX:]
        for part in reversed(parts):
            address = _without_port(part.strip())
            if _parsed(address) is None:
                break
            client = address
            if not self._trusts(address):
                break
        return client

    def _trusts(self, text: str) -> bool:
        address = _parsed(text)
        return address is not None and any(
            address.version == each.version and address in each for each in self._networks
        )


@lru_cache(maxsize=1024)  # many connections come from few addresses
def counted_as(address: str) -> str:
    """What limits per address count `address` as: an IPv6 one as its /64, since one subscriber has
    2⁶⁴ of them (RFC 6177); an IPv4 one in IPv6 clothes (RFC 4291, 2.5.5.2) as itself.
    """
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        network = int(parsed) >> _V6_NETWORK_BITS << _V6_NETWORK_BITS
        return f"{IPv6Address(network)}/{_V6_NETWORK_BITS}"
    return address if parsed is None else str(parsed)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address, one of IPv4 in IPv6 clothes without them; None where `text` is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _without_port(text: str) -> str:
    """Some proxies write `192.0.2.1:4711` or `[2001:db8::1]:4711` (RFC 7239, 6)."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
