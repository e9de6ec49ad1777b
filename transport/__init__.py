"""Bytes, sockets and people.

The wire contract, sessions, connections, the server around them and the command line. What is true
of a room is decided in `actors`; here it is only asked for, encoded and delivered. Import from the
modules; this package re-exports nothing.
"""
