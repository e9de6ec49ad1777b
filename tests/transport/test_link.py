"""The close codes that a session may ask for, and what their numbers tell a stranger."""

import pytest
from websockets.frames import Close

from transport.link import REASON_BYTES_MAX, CloseCode, fitting


@pytest.mark.parametrize("code", CloseCode)
def test_every_close_code_may_be_sent(code: CloseCode) -> None:
    """RFC 6455, section 7.4.1, forbids some on the wire."""
    assert Close(int(code), "why").serialize()[:2] == int(code).to_bytes(2, "big")


def test_the_codes_are_those_of_the_protocol() -> None:
    """From 4500 on a client that has never heard of one does not come back."""
    assert {code.name: int(code) for code in CloseCode} == {
        "UNSUPPORTED": 1003,
        "NOT_UTF8": 1007,
        "POLICY": 1008,
        "TOO_BIG": 1009,
        "INTERNAL": 1011,
        "RESTART": 1012,
        "TRY_LATER": 1013,
        "UNAUTHENTICATED": 4401,
        "KICKED": 4503,
        "REPLACED": 4509,
    }
    final = {CloseCode.KICKED, CloseCode.REPLACED}
    assert {code for code in CloseCode if int(code) >= 4500} == final


@pytest.mark.parametrize("reason", ["", "why", "x" * 200, "banned: " + "🦊" * 128, "é" * 62])
def test_as_much_of_a_reason_is_sent_as_a_close_frame_takes(reason: str) -> None:
    """A control frame has 125 bytes, two of them for the code; no character is cut in two."""
    fits = fitting(reason)
    assert reason.startswith(fits)
    assert len(fits.encode()) <= REASON_BYTES_MAX
    assert fits == reason or len(fits.encode()) > REASON_BYTES_MAX - 4
    Close(int(CloseCode.KICKED), fits).check()
