"""The close codes that a session may ask for, and what their numbers tell a stranger."""

import pytest
from websockets.frames import Close

from transport.link import CloseCode


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
