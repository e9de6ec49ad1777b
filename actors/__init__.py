"""Who is in which room.

Rooms, their directory and their supervision: plain facts in pure files, changed only in a room's
own turn, and the actors around them. Nothing here knows the wire: no JSON, no socket, no import
from `transport`. Import from the modules; this package re-exports nothing.
"""
