"""Resume tokens: who, which session, which room, signed. PURE: the keys are an argument.

A token is `<claims>.<signature>`, both URL-safe base64 without padding: the claims as
fields with a NUL between, the signature the first 16 bytes of HMAC-SHA-256 over them. It carries
all that is needed to seat a player again, so that a server that forgot the player still can, and
says when the player was seated, so that a server that knows better will not (recall.py).
"""

import hmac
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from binascii import b2a_base64
from dataclasses import dataclass
from typing import Final

from actors.ids import RoomId, SocketId
from actors.keys import KeyRing
from actors.macs import Mac
from actors.privacy import Privacy
from actors.records import LONG_KEPT, Stamp

SIGNATURE_BYTES: Final = 16
TOKEN_CHARS_MAX: Final = 2048
"""A longer one is not looked at: 128 characters of a user's name are at most 512 bytes."""
_VERSION: Final = "2"
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


@dataclass(init=False, slots=True, unsafe_hash=True)
class ResumeClaims:
    """What a token says. `serial` (>= 1) counts the tokens of one player in one room, `stamp` is
    when the player was seated there.
    """

    room_id: Final[RoomId]
    socket_id: Final[SocketId]
    person: Final[str]
    privacy: Final[Privacy]
    serial: Final[int]
    stamp: Final[Stamp]

    def __init__(
        self,
        room_id: RoomId,
        socket_id: SocketId,
        person: str,
        privacy: Privacy,
        serial: int,
        stamp: Stamp = LONG_KEPT,
    ) -> None:
        self.room_id = room_id
        self.socket_id = socket_id
        self.person = person
        self.privacy = privacy
        self.serial = serial
        self.stamp = stamp


def mint(keys: KeyRing, claims: ResumeClaims) -> str:
    """The token for `claims`; about 400 characters at most for ASCII names."""
    privacy = claims.privacy
    flags = ("1" if privacy.hide_user_id else "0") + ("1" if privacy.hide_position else "0")
    # NUL separates: none of the fields can hold one.
    run, mark = claims.stamp
    body = (
        f"{_VERSION}\0{claims.room_id}\0{claims.socket_id}\0{claims.serial}\0{run}\0{mark}"
        f"\0{flags}\0{claims.person}"
    ).encode()
    signature = _sign(keys.resuming[0], body)
    both = b2a_base64(body, newline=False) + b"." + b2a_base64(signature, newline=False)
    return both.translate(_URL_SAFE, b"=").decode()


def verify(keys: KeyRing, token: str) -> ResumeClaims | None:
    """The claims of `token`, or None when it is not one that a key of `keys` signed."""
    if len(token) > TOKEN_CHARS_MAX or not token.isascii():
        return None
    body_text, dot, signature_text = token.partition(".")
    if not dot:
        return None
    try:
        body, signature = _decode(body_text), _decode(signature_text)
    except (Base64Error, ValueError):
        return None
    if not any(hmac.compare_digest(signature, _sign(mac, body)) for mac in keys.resuming):
        return None
    version, *fields = body.decode().split("\0")
    if version != _VERSION:
        return None
    room_id, socket_id, serial, run, mark, flags, person = fields
    return ResumeClaims(
        RoomId(room_id),
        SocketId(socket_id),
        person,
        Privacy(flags[0] == "1", flags[1] == "1"),
        int(serial),
        Stamp(int(run), int(mark)),
    )


def _sign(mac: Mac, body: bytes) -> bytes:
    return mac.of(body)[:SIGNATURE_BYTES]


def _decode(text: str) -> bytes:
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    spelt = b2a_base64(data, newline=False).translate(_URL_SAFE, b"=")
    if spelt.decode() != text:  # one spelling only: base64 ignores stray characters and bits
        raise ValueError("not canonical")
    return data
