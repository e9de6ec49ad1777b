"""What must hold of and between settings, beyond the bounds of each. PURE: one table."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

NETWORKS: Final = "a list such as 10.0.0.7, 192.168.0.0/16, fd00::/8"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`. Names other than `localhost` may be anything."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def are_networks(texts: tuple[str, ...]) -> bool:
    """Whether each is an address, or a network in CIDR notation whose host bits are 0."""
    try:
        return all(ip_network(text) for text in texts)
    except ValueError:
        return False


def _suit(algorithms: tuple[str, ...], *, is_secret: bool) -> bool:
    """Whether all of these go with the kind of key."""
    return all((name == "hs256") is is_secret for name in algorithms)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What must hold between settings; the first of `names` is blamed, `expected` may show all."""

    names: tuple[str, ...]
    holds: Callable[..., bool]
    expected: str


AGREEMENTS: Final = (
    Agreement(("trusted_proxies",), are_networks, NETWORKS),
    Agreement(
        ("host", "auth", "allow_anonymous"),
        lambda host, auth, allowed: allowed or auth != "anonymous" or is_loopback(host),
        "a loopback address in anonymous mode, unless --allow-anonymous lets everybody in",
    ),
    Agreement(
        ("auth", "jwt_secret_file", "jwt_public_key_file"),
        lambda auth, secret, public: auth != "jwt" or bool(secret) != bool(public),
        "either jwt_secret_file or jwt_public_key_file with jwt, which are {1!r} and {2!r}",
    ),
    Agreement(  # or a server with keys would let everybody in
        ("auth", "jwt_secret_file", "jwt_public_key_file"),
        lambda auth, secret, public: auth == "jwt" or not (secret or public),
        "jwt, as there is a jwt_secret_file or jwt_public_key_file",
    ),
    Agreement(
        ("jwt_algorithms", "jwt_secret_file", "jwt_public_key_file"),
        lambda named, secret, public: _suit(named, is_secret=bool(secret or not public)),
        "hs256 with jwt_secret_file, some of rs256, es256, eddsa with jwt_public_key_file",
    ),
    Agreement(
        ("tls_cert_file", "tls_key_file"),
        lambda cert, key: cert or not key,
        "a file too, as tls_key_file is {1!r}",
    ),
    Agreement(
        ("tls_key_file", "tls_cert_file"),
        lambda key, cert: key or not cert,
        "a file too, as tls_cert_file is {1!r}",
    ),
    Agreement(
        ("connections_per_ip_max", "connections_max"),
        lambda of_one, of_all: of_one <= of_all or of_all == 0,
        "at most connections_max, which is {1}",
    ),
    Agreement(
        ("mailbox_messages_max", "turn_messages_max"),
        lambda waiting, handled: waiting >= handled,
        "at least turn_messages_max, which is {1}",
    ),
    Agreement(
        ("messages_burst", "messages_per_s"),
        lambda burst, rate: burst >= rate,
        "at least messages_per_s, which is {1}",
    ),
    Agreement(
        ("joins_burst", "joins_per_s"),
        lambda burst, rate: burst >= rate,
        "at least joins_per_s, which is {1}",
    ),
    Agreement(
        ("outbox_bytes_max", "message_bytes_max"),
        lambda outbox, message: outbox > message,
        "more than message_bytes_max, which is {1}",
    ),
)
