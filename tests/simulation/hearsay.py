"""What a whole server says to strangers: every input that the fuzzer knows, byte for byte.

Owns the strangers and the digests of all that was sent to them. Knows no promise: two servers that
are to be the same are compared by it.
"""

import asyncio
import random
import re
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from typing import Final

from actors.settings import Durability, Settings
from tests.fuzz import corpus
from tests.fuzz.connection import HANDSHAKE, Streams
from tests.fuzz.decoder import Decoder
from tests.fuzz.frames import text
from tests.simulation.faults import Fuse
from tests.simulation.loop import SimulatedLoop, run
from tests.simulation.process import HOST, PORT, Machine
from tests.simulation.replaying import Replaying

SETTINGS: Final = Settings(durability=Durability.MEMORY, message_bytes_max=16_384)
_JOIN: Final = (
    b'{"type":"joinRoomGameSpace","roomId":"lobby","position":{"x":-7,"y":2.50},"sequenceId":1}',
    b'{"type":"move","x":3,"y":1e2}',
)
_AFTER: Final = (
    b'{"type":"updatePlayer","attributes":{"n":1,"f":1.0,"e":1e22}}',
    b'{"type":"requestRoomState","sequenceId":9007199254740991}',
)
_MACHINES: Final = re.compile(rb"\r\nDate: [^\r]+")
"""What no simulation can say twice; nor can it what the process takes, which is in the metrics."""
WAIT_S: Final = 2.0
"""Until a stranger was told all that there is to tell; he then goes."""


class Stranger(asyncio.Protocol):
    """Says one thing, and keeps what it hears."""

    def __init__(self, says: bytes) -> None:
        self._says: Final = says
        self.heard = blake2b(digest_size=16)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._says)

    def data_received(self, data: bytes) -> None:
        self.heard.update(_MACHINES.sub(b"", data))


def streams() -> Iterator[bytes]:
    """What each of them says: the streams that are kept, and the documents, each said by somebody
    who sits in a room.
    """
    for stream in corpus.read(Streams()):
        if b"/metrics" not in stream.data:
            yield stream.data
    for document in corpus.read(Decoder()):
        yield HANDSHAKE + b"".join(map(text, (*_JOIN, document.data, *_AFTER)))


def digests() -> list[str]:
    """Of all that each of them heard, one after the other."""

    async def told(loop: SimulatedLoop) -> list[str]:
        chance = random.Random("hearsay")
        machine = Machine(loop, SETTINGS, chance, Replaying(Fuse()))
        await machine.start()
        heard = []
        for each in streams():
            transport, stranger = await loop.create_connection(partial(Stranger, each), HOST, PORT)
            await asyncio.sleep(WAIT_S)
            transport.abort()
            assert isinstance(stranger, Stranger)
            heard.append(stranger.heard.hexdigest())
        await machine.kill(with_machine=False)
        assert loop.faults == []
        assert machine.alarms == []
        return heard

    return run(told, "hearsay")
