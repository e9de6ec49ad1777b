"""Hostile headers cost no more than their length: work is counted in lines of code, not in time."""

import sys
from types import FrameType
from typing import Any, Final

import pytest

from tests.transport.sockets import Porch
from tests.transport.test_handshake import status

FILLINGS: Final = {
    "spaces": " ",
    "commas": ",",
    "commas and spaces": ", ",
    "tokens": "a,",
    "semicolons": ";",
    "parameters": "a;b=c,",
    "open quotes": '"',
    "escapes": '"\\',
    "equals": "=",
    "proxies": "10.0.0.1,",
    "forged": "::ffff:10.0.0.1, ",
    "brackets": "[[",
    "slashes": "/",
}
HEADERS: Final = (
    "Host",
    "Origin",
    "Upgrade",
    "Connection",
    "Sec_WebSocket_Key",
    "Sec_WebSocket_Version",
    "Sec_WebSocket_Protocol",
    "Sec_WebSocket_Extensions",
    "X_Forwarded_For",
    "Authorization",
    "Cookie",
)
LONG: Final = 4000
"""Well within what one header may be long."""


def lines_run(header: str, value: str) -> int:
    """How many lines of Python it takes to answer a handshake with that header."""
    porch = Porch(trusted_proxies=("10.0.0.0/8", "192.0.2.0/24"))
    caller = porch.caller()
    raw = caller.handshake_bytes(**{header: value})
    lines = 0

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        caller.wire.arrive(raw)
    finally:
        sys.settrace(before)
    assert caller.wire.through.startswith(b"HTTP/1.1 ")
    return lines


@pytest.mark.rule("C1.15")
@pytest.mark.parametrize("header", HEADERS)
def test_the_work_for_a_header_grows_with_its_length_and_no_faster(header: str) -> None:
    """Twice as long is at most twice as much, and never more than some lines a character."""
    for name, filling in FILLINGS.items():
        half = lines_run(header, "x" + filling * (LONG // 2 // len(filling)) + "x")
        whole = lines_run(header, "x" + filling * (LONG // len(filling)) + "x")
        assert whole <= 2.2 * half, (name, half, whole)
        assert whole <= 40 * LONG, (name, whole)


@pytest.mark.rule("C1.15")
@pytest.mark.parametrize("header", HEADERS)
def test_32_kilobytes_in_one_header_are_431(header: str) -> None:
    """Whatever they are: they are not even looked into."""
    for filling in FILLINGS.values():
        value = "x" + filling * (32_768 // len(filling)) + "x"
        assert status(Porch().caller().handshake_bytes(**{header: value})) == 431
