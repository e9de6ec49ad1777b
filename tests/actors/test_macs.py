"""Macs: the same as the standard library's, whatever the key and the message."""

import hmac

from hypothesis import example, given
from hypothesis import strategies as st

from actors.macs import Mac


@given(key=st.binary(max_size=80), prefix=st.binary(max_size=80), messages=st.lists(st.binary()))
@example(key=b"k" * 64, prefix=b"", messages=[b""])
@example(key=b"k" * 65, prefix=b"", messages=[b""])
def test_a_mac_is_that_of_rfc_2104(key: bytes, prefix: bytes, messages: list[bytes]) -> None:
    """One after the other, none of which changes the next."""
    mac = Mac(key, prefix)
    for message in messages:
        assert mac.of(message) == hmac.digest(key, prefix + message, "sha256")


def test_a_mac_does_not_show_its_key() -> None:
    """It may stand in what is logged of a fault."""
    assert "secret" not in repr(Mac(b"secret", b"secret"))
