"""Benchmarks: one question a file, each asked of our server and of a plain one in the same run, or
of our server with one setting and with another.

Knows the product only from outside: its command line, its wire, its metrics, and (for the questions
that need no socket, and to prepare stores) the public classes of `actors`. Nothing in the product
imports this package.
"""

import sys

# `python -m` puts the sources that stand beside this folder in front of what is installed, but what
# is installed is to be measured: it is compiled. While it looks for the package, "-m" stands here.
if sys.argv[:1] == ["-m"]:
    sys.path.append(sys.path.pop(0))
