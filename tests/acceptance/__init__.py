"""A real server process, real sockets, and a mirror written from the protocol page alone."""
