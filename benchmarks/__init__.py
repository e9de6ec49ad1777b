"""Benchmarks: one question a file, each asked of our server and of a plain one in the same run.

Knows the product only from outside: its command line, its wire, and (for the two questions that
need no socket) the public classes of `actors`. Nothing in the product imports this package.
"""
