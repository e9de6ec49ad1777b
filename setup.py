"""The build, as far as setup.cfg cannot say it: the modules named there are compiled to C.

With COMPILE=1 they become extension modules (mypyc: the same source, its types taken at
their word), which about halves the CPU that a message takes. Otherwise all is plain Python.
"""

import os
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup


def extensions():
    """One group of extension modules a package, so that two compilers run at a time."""
    if os.environ.get("COMPILE") != "1":
        return []
    from mypyc.build import mypycify  # noqa: PLC0415  # needed for nothing else

    config = ConfigParser()
    config.read(Path(__file__).with_name("setup.cfg"), "utf-8")
    groups = [
        ([f"{package}/{module}.py" for module in modules.split()], f"vaultmeet_{package}")
        for package, modules in config["compiled"].items()
    ]
    paths = [path for group, _ in groups for path in group]
    # -O1: as fast as -O2 and -O3 here, and compiled in two thirds of the time.
    return mypycify(["--config-file=setup.cfg", *paths], opt_level="1", separate=groups)


setup(ext_modules=extensions())
