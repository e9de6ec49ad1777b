"""Who may open a WebSocket: Host, Origin, and how many."""

from typing import Any

import pytest

from actors.settings import Settings
from transport.admission import Admission, host_allowed, origin_allowed

PORT = 8765
OWN = f"127.0.0.1:{PORT}"
OPEN = {"host": "10.0.0.5", "allow_anonymous": True}
NAMED = {"host": "Rooms.Example", "allow_anonymous": True}


# -- Host


@pytest.mark.rule("C1.10")
@pytest.mark.parametrize(
    ("host", "settings"),
    [
        *(
            (host, {})
            for host in (
                "127.0.0.1",
                OWN,
                "127.0.0.1:1",
                "127.8.9.10:80",
                "localhost",
                "LocalHost:8765",
                "[::1]",
                "[::1]:8765",
                "[0:0:0:0:0:0:0:1]:80",
            )
        ),
        *((host, OPEN) for host in ("10.0.0.5", "10.0.0.5:8765", "10.0.0.5:1", "localhost")),
        *((host, NAMED) for host in ("rooms.example", "ROOMS.example:443", "[::1]")),
        ("a.example", {"allowed_hosts": ("a.example",)}),
        ("A.Example:8080", {"allowed_hosts": ("a.example",)}),
        ("a.example", {"allowed_hosts": ("x.example", "A.EXAMPLE")}),
        ("b.example:8080", {"allowed_hosts": ("b.example:8080",)}),
        (OWN, {"allowed_hosts": ("a.example",)}),
        ("anything.example", {"allowed_hosts": ("*",)}),
        ("[::ffff]:1", {"allowed_hosts": ("*",)}),
    ],
)
def test_loopback_and_configured_hosts_are_let_in(host: str, settings: dict[str, Any]) -> None:
    """With any port, unless the configured one has its own; in any case of letters."""
    assert host_allowed(host, Settings(**settings))


@pytest.mark.rule("C1.10")
@pytest.mark.parametrize(
    ("host", "settings"),
    [
        *(
            (host, {})
            for host in (
                None,
                "",
                " ",
                ":",
                ":8765",
                "*",
                "evil.example",
                f"evil.example:{PORT}",
                "127.0.0.1.evil.example",
                "evil127.0.0.1",
                "localhost.evil.example",
                "evil-localhost",
                "localhost.",
                "127.0.0.1@evil.example",
                "evil.example@127.0.0.1",
                "127.0.0.1/evil.example",
                "evil.example/127.0.0.1",
                "evil.example?127.0.0.1",
                "evil.example#127.0.0.1",
                "evil.example\\127.0.0.1",
                "127.0.0.1, evil.example",
                "127.0.0.1 evil.example",
                "127.0.0.1\tevil.example",
                "127.0.0.1:port",
                "127.0.0.1:99999",
                "127.0.0.1:-1",
                "127.0.0.1:80:80",
                "::1",
                "[::1",
                "::1]",
                "evil.example[::1]",
                "[::1]evil.example",
                "[127.0.0.1]",
                "[localhost]",
                "2130706433",
                "0x7f000001",
                "127.1",
                "0.0.0.0:80",
                "[::]",
                "10.0.0.5",
                "169.254.169.254",
                "http://127.0.0.1",
                "l\u00f6calhost",
                "localhost\u2024",
            )
        ),
        *((host, OPEN) for host in ("10.0.0.6", "10.0.0.50", "10.0.0.5.evil.example")),
        *((host, NAMED) for host in ("example", "a.rooms.example", "rooms.example.evil")),
        ("b.example", {"allowed_hosts": ("a.example", "b.example:8080")}),
        ("b.example:8081", {"allowed_hosts": ("b.example:8080",)}),
        ("sub.a.example", {"allowed_hosts": ("a.example",)}),
        (None, {"allowed_hosts": ("*",)}),
    ],
)
def test_any_other_host_is_not(host: str | None, settings: dict[str, Any]) -> None:
    """Prefixes, suffixes, other notations, what is no host, and none at all."""
    assert not host_allowed(host, Settings(**settings))


# -- Origin, where none is configured


@pytest.mark.rule("C1.8")
@pytest.mark.parametrize(
    ("origin", "host", "secure"),
    [
        (None, OWN, False),
        (None, None, True),
        (f"http://{OWN}", OWN, False),
        (f"https://{OWN}", OWN, True),
        ("http://rooms.example", "rooms.example", False),
        ("http://rooms.example", "rooms.example:80", False),
        ("http://rooms.example:80", "rooms.example", False),
        ("https://rooms.example", "rooms.example", True),
        ("https://rooms.example", "rooms.example:443", True),
        ("https://rooms.example", "rooms.example", False),
        ("https://rooms.example:8443", "rooms.example:8443", True),
        ("http://rooms.example:8765", "Rooms.EXAMPLE:8765", False),
        ("http://[2001:db8::1]:8765", "[2001:DB8::1]:8765", False),
    ],
)
def test_no_origin_and_the_origin_of_the_own_host_are_let_in(
    origin: str | None, host: str | None, secure: bool
) -> None:
    """The port may be left out where it is the scheme's own, also where a proxy ends TLS."""
    assert origin_allowed(origin, host, secure, Settings())


@pytest.mark.rule("C1.8")
@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3000", "http://127.0.0.1", "https://127.0.0.1:5173", "http://[::1]:1"],
)
def test_a_page_of_this_machine_is_let_in(origin: str) -> None:
    """By whatever name the server was asked for: whoever develops a page serves it so."""
    for host in (OWN, "localhost:8765", "rooms.example"):
        assert origin_allowed(origin, host, False, Settings())


@pytest.mark.rule("C1.7")
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://evil.example:8765",
        "http://rooms.example.evil.example:8765",
        "http://rooms.example:8765.evil.example",
        "http://evilrooms.example:8765",
        "http://sub.rooms.example:8765",
        "http://example:8765",
        "http://rooms.example.:8765",
        "http://rooms.example:87650",
        "http://rooms.example:876",
        "http://rooms.example:8764",
        "http://rooms.example",
        "http://rooms.example:80",
        "https://rooms.example",
        "ws://rooms.example:8765",
        "ftp://rooms.example:8765",
        "file://rooms.example:8765",
        "chrome-extension://rooms.example:8765",
        "http://rooms.example:8765@evil.example",
        "http://evil.example@rooms.example:8765",
        "http://rooms.example:8765/",
        "http://evil.example/rooms.example:8765",
        "http://evil.example#rooms.example:8765",
        "http://evil.example?rooms.example:8765",
        "http://evil.example\\rooms.example:8765",
        "http://evil.example, http://rooms.example:8765",
        "http://rooms.example:8765 http://evil.example",
        "http:/rooms.example:8765",
        "http:rooms.example:8765",
        "//rooms.example:8765",
        "rooms.example:8765",
        "http://127.0.0.1.evil.example",
        "http://evil127.0.0.1",
        "http://localhost.evil.example",
        "http://evil-localhost",
        "http://localhost@evil.example",
        "http://evil.example@localhost",
        "http://evil.example[::1]",
        "http://[::1]evil.example",
        "http://[::1].evil.example",
        "http://2130706433",
        "ws://localhost",
        "file://localhost",
        "null",
        "",
        " ",
        "*",
        "file://",
        "http://",
        "http://:8765",
        "http://[",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://\u24db\u24de\u24d2alhost:8765",
        "http://r\u043eoms.example:8765",
        "http://rooms\uff0eexample:8765",
        "http://rooms.example\u3002:8765",
        "http://xn--roms-hcd.example:8765",
        "http://rooms.example\u200b:8765",
        "http://rooms.example:\u0668765",
    ],
)
def test_any_other_origin_is_not(origin: str) -> None:
    """Foreign ones, and those that only resemble: other ports, schemes, prefixes, suffixes."""
    assert not origin_allowed(origin, "rooms.example:8765", False, Settings())


@pytest.mark.rule("C1.7")
@pytest.mark.parametrize(
    ("origin", "host", "secure"),
    [
        ("http://rooms.example", "rooms.example:8765", False),
        ("http://rooms.example:8765", "rooms.example", False),
        ("https://rooms.example", "rooms.example:80", False),
        ("http://rooms.example", "rooms.example:443", True),
        ("https://rooms.example:444", "rooms.example:443", True),
        ("http://rooms.example.evil", "rooms.example", False),
        ("http://rooms.example", None, False),
        ("http://rooms.example", "", False),
        ("http://", "", False),
        ("http://[", "[", False),
        ("http://a b", "a b", False),
    ],
)
def test_the_own_host_is_the_one_that_was_asked_for(
    origin: str, host: str | None, secure: bool
) -> None:
    """By name and port, as the request itself came."""
    assert not origin_allowed(origin, host, secure, Settings())


# -- Origin, where some are configured


@pytest.mark.rule("C1.9")
def test_configured_origins_are_compared_exactly_and_replace_the_default() -> None:
    """Also the own host must be among them; no Origin is no browser's all the same."""
    settings = Settings(allowed_origins=("https://a.example", "http://b.example:8080"))

    def allowed(origin: str | None) -> bool:
        return origin_allowed(origin, OWN, False, settings)

    assert all(map(allowed, (None, "https://a.example", "http://b.example:8080")))
    assert not any(
        map(
            allowed,
            (
                f"http://{OWN}",
                "http://localhost",
                "http://a.example",
                "https://a.example:443",
                "https://a.example/",
                "https://A.example",
                "https://a.example.evil",
                "https://sub.a.example",
                "http://b.example",
                "http://b.example:80",
                "null",
                "",
            ),
        )
    )


@pytest.mark.rule("C1.9")
def test_a_star_allows_every_origin_and_null_may_be_configured() -> None:
    """Whoever writes so wants it so."""
    for origin in ("http://evil.example", "null", "", None):
        assert origin_allowed(origin, OWN, False, Settings(allowed_origins=("*",)))
    null = Settings(allowed_origins=("null",))
    assert origin_allowed("null", OWN, False, null)
    assert not origin_allowed(f"http://{OWN}", OWN, False, null)


# -- counts, and the reasons in their order


def verdict(admission: Admission, address: str = "192.0.2.1", **others: Any) -> int | None:
    """The status that a handshake from `address` is refused with; None where it is not."""
    request: dict[str, Any] = {"host": OWN, "origin": None, "secure": False, **others}
    rejected = admission.judge(address=address, **request)
    return None if rejected is None else int(rejected.status)


@pytest.mark.rule("C1.11")
def test_more_connections_of_one_address_than_allowed_are_429() -> None:
    """Other addresses are let in, and one that ends makes room."""
    admission = Admission(Settings(connections_per_ip_max=2, connections_max=100))
    for _ in range(2):
        assert verdict(admission) is None
        admission.opened("192.0.2.1")
    assert verdict(admission) == 429
    assert verdict(admission, "192.0.2.2") is None
    admission.closed("192.0.2.1")
    assert verdict(admission) is None


@pytest.mark.rule("C1.12")
def test_more_connections_than_allowed_are_503() -> None:
    """From whatever address, and one that ends makes room."""
    admission = Admission(Settings(connections_max=3))
    for n in range(3):
        assert verdict(admission, f"192.0.2.{n}") is None
        admission.opened(f"192.0.2.{n}")
    assert verdict(admission, "192.0.2.9") == 503
    admission.closed("192.0.2.1")
    assert verdict(admission, "192.0.2.9") is None
    assert admission.open_count == 2


@pytest.mark.rule("C1.11", "C1.12")
def test_where_no_limit_is_set_there_is_none() -> None:
    """Both are off out of the box."""
    admission = Admission(Settings())
    for _ in range(5000):
        admission.opened("192.0.2.1")
    assert verdict(admission) is None
    assert admission.open_count == 5000


@pytest.mark.rule("O2.3")
def test_a_draining_server_lets_nobody_in() -> None:
    """Whoever it is, the answer is to come back later."""
    admission = Admission(Settings())
    admission.draining = True
    assert verdict(admission) == 503
    assert verdict(admission, host="evil.example") == 503


@pytest.mark.rule("C1.7", "C1.10")
def test_a_foreign_host_or_origin_is_403_also_where_the_server_is_full() -> None:
    """It is told nothing about the server's business."""
    admission = Admission(Settings(connections_max=1, connections_per_ip_max=1))
    admission.opened("192.0.2.1")
    assert verdict(admission, host="evil.example") == 403
    assert verdict(admission, origin="http://evil.example") == 403
    assert verdict(admission) in {429, 503}
