"""The suite: a mirror of `actors` and `transport`, and tests of the whole through real sockets."""
