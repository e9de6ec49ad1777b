"""How records stand in the tables of one file: in the clear, or sealed and bound to their place.

Owns what is written for a room, a row of the journal and a session, and its way back; and the fact
of a sealed file: which keys its rows may be sealed with. Knows no SQL.

    in the clear   room: its name, a JSON text         journal: JSON
    sealed         room: a sealed name, ~ and base64   journal: a sealed record

The place of a record is the file's identity, the table, and the room's name or the row's number and
mark: a record from another row, or another file, is refused.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from actors.ids import RoomId, SocketId
from actors.sealing import FORM, NAME_MARK, Seal, SealBroken, key_of
from actors.stores.codec import BodyInvalid, dumps, loads
from actors.stores.port import StoreUnusable

WRAPPED: Final = "sealed"
"""The place of a row of `set_aside` whose own place is inside."""
_MARK: Final = NAME_MARK.encode()
_WORDS: Final = {True: b"clear", False: b""}
"""What a check says of rows in the clear: nobody who has no key can have them taken."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a file says of its seal. `checks` are, by the id of every key that a row may be sealed
    with, a sealed word that says `clear` once more; `clear`: rows in the clear may be left.
    """

    checks: Mapping[str, str]
    clear: bool

    def text(self) -> str:
        return dumps({"checks": self.checks, "clear": self.clear}).decode()

    def is_whole(self, newest: str) -> bool:
        """All rows are sealed with that key."""
        return not self.clear and list(self.checks) == [newest]


def sealed_from(text: bytes) -> Sealed:
    """Raises ValueError, TypeError, KeyError or AttributeError where it is none."""
    value = loads(text)
    if not value["checks"] or type(value["clear"]) is not bool:
        raise ValueError("it names no key")
    return Sealed({str(key): str(check) for key, check in value["checks"].items()}, value["clear"])


class Rows:
    """Rows of the file with identity `store`, of which `sealed` says how they are. Without a `seal`
    all are in the clear. May be used by one thread at a time.
    """

    def __init__(self, store: str, seal: Seal | None, sealed: Sealed | None) -> None:
        self.store: Final = store
        self.seal: Seal | None = seal
        self.sealed = sealed
        self.seals = 0
        """Records that the newest key has sealed in this file, some more where a write failed."""

    @property
    def clear(self) -> bool:
        """Rows in the clear are taken."""
        return self.sealed is None or self.sealed.clear

    # -- the fact

    def fact(self) -> Sealed:
        """How the file is from now on, until all rows are sealed with the newest key."""
        assert self.seal is not None
        before = {} if self.sealed is None else dict(self.sealed.checks)
        newest = self.seal.newest
        check = before.pop(newest, None) or self._new_check(self.clear)
        return Sealed({newest: check, **before}, self.clear)

    def whole_fact(self) -> Sealed:
        """How it is when they are."""
        assert self.seal is not None
        newest = self.seal.newest
        check = self._new_check(False) if self.clear else self.fact().checks[newest]
        return Sealed({newest: check}, clear=False)

    def check(self, key: str, check: str) -> None:
        """Raises BodyInvalid where `check` was not sealed here with that key, or when rows in the
        clear were taken and are not now, or the other way round.
        """
        try:
            sealed = bytes.fromhex(check)
        except ValueError:
            raise BodyInvalid("it is not sealed") from None
        if key_of(sealed) != key:
            raise BodyInvalid("it is of another key")
        if self._unsealed(f"check {key}", sealed) != _WORDS[self.clear]:
            raise BodyInvalid("it does not say the same of rows in the clear")

    # -- rooms

    def room_key(self, room_id: RoomId) -> str:
        """What stands for the room in its row."""
        return room_id if self.seal is None else self.seal.name(f"{self.store} room", room_id)

    def room_keys(self, room_id: RoomId) -> list[str]:
        """All that may stand for it, the present one first."""
        keys = [self.room_key(room_id)]
        if self.seal is not None and self.sealed is not None:
            kind = f"{self.store} room"
            keys += [
                self.seal.name(kind, room_id, key)
                for key in self.sealed.checks
                if key != self.seal.newest
            ]
            if self.clear:
                keys.append(room_id)
        return keys

    def room_of(self, key: str) -> RoomId:
        """The room that `key` stands for. Raises BodyInvalid."""
        return RoomId(self._named("room", key))

    def room_text(self, key: str, body: bytes) -> str:
        """`body` as it is written to the row of `key`."""
        if self.seal is None:
            return body.decode()
        return NAME_MARK + b64encode(self._sealed(f"room {key}", body)).decode()

    def room_body(self, key: str, text: bytes) -> bytes:
        """What `room_text` made `text` of. Raises BodyInvalid."""
        if not text.startswith(_MARK):
            return self._in_the_clear(text)
        try:
            sealed = b64decode(text[1:], validate=True)
        except ValueError:
            raise BodyInvalid("it is not sealed") from None
        if b64encode(sealed) != text[1:]:  # base64 has spare bits
            raise BodyInvalid("it is not sealed")
        return self._unsealed(f"room {key}", sealed)

    def is_newest(self, key: str) -> bool:
        """The row of `key` is as it would be written now."""
        return self.seal is not None and key.startswith(f"{NAME_MARK}{self.seal.newest}.")

    # -- the journal, and what is beside it

    def journal(self, seq: int, mark: int, body: bytes) -> bytes:
        """`body` as it is written to the journal."""
        return body if self.seal is None else self._sealed(f"journal {seq} {mark}", body)

    def journal_body(self, seq: int, mark: int, stored: bytes) -> bytes:
        """What `journal` made `stored` of. Raises BodyInvalid."""
        if not stored.startswith(FORM):
            return self._in_the_clear(stored)
        return self._unsealed(f"journal {seq} {mark}", stored)

    def socket_key(self, socket_id: SocketId) -> str:
        """What stands for a recalled session."""
        if self.seal is None:
            return socket_id
        return self.seal.name(f"{self.store} recalled", socket_id)

    def socket_of(self, key: str) -> SocketId:
        """The session that `key` stands for. Raises BodyInvalid."""
        return SocketId(self._named("recalled", key))

    def wrapped(self, number: int, place: str, body: bytes) -> tuple[str, bytes] | None:
        """Place and body of row `number` of `set_aside` as they are to be; None where they are.

        Raises BodyInvalid.
        """
        if self.seal is None:
            return None
        inside = f"set_aside {number}"
        if place == WRAPPED:
            if key_of(body) == self.seal.newest:
                return None
            return WRAPPED, self._sealed(inside, self._unsealed(inside, body))
        return WRAPPED, self._sealed(inside, place.encode() + b"\n" + body)

    # -- inside

    def _new_check(self, clear: bool) -> str:
        assert self.seal is not None
        return self._sealed(f"check {self.seal.newest}", _WORDS[clear]).hex()

    def _place(self, place: str) -> bytes:
        return f"{self.store} {place}".encode()

    def _sealed(self, place: str, body: bytes) -> bytes:
        assert self.seal is not None
        self.seals += 1
        return self.seal.seal(self._place(place), body)

    def _unsealed(self, place: str, sealed: bytes) -> bytes:
        if self.seal is None:
            raise BodyInvalid("it is sealed")
        try:
            return self.seal.unseal(self._place(place), sealed)
        except SealBroken as broken:
            raise BodyInvalid(str(broken)) from None

    def _in_the_clear(self, stored: bytes) -> bytes:
        if not self.clear:
            raise BodyInvalid("it is not sealed")
        return stored

    def _named(self, kind: str, key: str) -> str:
        if not key.startswith(NAME_MARK):
            if not self.clear:
                raise BodyInvalid("it is not sealed")
            return key
        if self.seal is None:
            raise BodyInvalid("it is sealed")
        try:
            return self.seal.named(f"{self.store} {kind}", key)
        except SealBroken as broken:
            raise BodyInvalid(str(broken)) from None


def admit(path: object, store: str, sealed: Sealed | None, seal: Seal | None) -> None:
    """Look whether the file can be read with `seal`, and change nothing. Raises StoreUnusable."""
    if sealed is None:
        return
    ids = ", ".join(sealed.checks)
    if seal is None:
        raise StoreUnusable(f"{path}: the store is sealed with key id {ids}; give seal_key_file")
    rows = Rows(store, seal, sealed)
    for key, check in sealed.checks.items():
        if key not in seal.ids:
            raise StoreUnusable(
                f"{path}: the store is sealed with key id {ids};"
                f" {key} is not among the seal keys given: {', '.join(seal.ids)}"
            )
        try:
            rows.check(key, check)
        except BodyInvalid as error:
            raise StoreUnusable(f"{path}: the check of seal key {key} fails: {error}") from None
