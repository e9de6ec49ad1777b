"""How far a connection is: the states that connection.py draws."""

from enum import Enum


class Phase(Enum):
    """Only ever further on."""

    HANDSHAKING = "handshaking"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
