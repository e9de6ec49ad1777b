"""What this is built on: no version with a known flaw is allowed, and the audit does not pretend.

Owns the list of flaws that matter here, as far as they were known: for each library the first
version without them. `.ci/audit` asks for the newest; it needs the network, this does not.
"""

import io
import json
import re
from configparser import ConfigParser
from importlib.metadata import version
from typing import Final

import pytest

from tests.house.audit import CLEAN, NOT_CHECKED, VULNERABLE, main, verdict
from tests.house.sources import ROOT

GOOD_FROM: Final = {
    "websockets": ("9.1", "CVE-2018-1000518 (no limit after inflating), CVE-2021-33880"),
    "orjson": ("3.9.15", "CVE-2024-27454 (recursion without a bound)"),
    "prometheus-client": ("0.21", "none known; older ones were not looked at"),
    "pyjwt": ("2.15.0", "CVE-2024-53861, CVE-2026-32597, -48523, -48526, -102273, -102275"),
    "cryptography": ("44.0.1", "CVE-2023-50782, CVE-2024-26130, CVE-2024-12797"),
    "setuptools": ("78.1.1", "CVE-2025-47273 (path traversal)"),
}
"""Lower-case names of distributions; some are not used yet, and are held as soon as they are."""

_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])? *>= *([0-9.]+)")


def number(text: str) -> tuple[int, ...]:
    """A version as numbers, as far as it is made of them: `2.10.1` is above `2.9`."""
    parts = [int(part) for part in re.findall(r"\d+", text.split("+", maxsplit=1)[0])[:3]]
    return tuple(parts + [0] * (3 - len(parts)))


def minima(text: str) -> dict[str, str]:
    """The least version of each distribution that is required with one."""
    return {name.lower(): least for name, least in _REQUIREMENT.findall(text)}


def required() -> dict[str, str]:
    """All that the project asks for, to run, to be tested and to be built."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    extras = config["options.extras_require"].values()
    build = (ROOT / "pyproject.toml").read_text("utf-8").partition("[build-system]")[2]
    return minima("\n".join([config["options"]["install_requires"], *extras, build]))


def test_every_dependency_has_a_least_version_without_a_known_flaw() -> None:
    """Whoever installs the oldest that is allowed gets none of those in the list."""
    found = required()
    assert {"websockets", "orjson", "pykka", "setuptools"} <= set(found)
    for name, (good, flaws) in GOOD_FROM.items():
        if name in found:
            assert number(found[name]) >= number(good), f"{name} {found[name]}: {flaws}"


def test_what_is_installed_has_no_known_flaw() -> None:
    """The versions that these tests run with."""
    for name in set(GOOD_FROM) & set(required()) - {"setuptools"}:
        assert number(version(name)) >= number(GOOD_FROM[name][0]), name


def test_a_version_with_a_known_flaw_would_be_found() -> None:
    """The comparison is of numbers, and reads the spelling of setup.cfg."""
    assert minima("    # why\n    PyJWT[crypto] >= 2.9, < 3\n    orjson>=3.10") == {
        "pyjwt": "2.9",
        "orjson": "3.10",
    }
    assert number("2.9") < number("2.10.1") < number("2.10.2") < number("10")


CHECKED = {"name": "orjson", "version": "3.11", "vulns": []}
SKIPPED = {"name": "uvloop", "skip_reason": "not found"}
FLAWED = {
    "name": "websockets",
    "version": "1.0",
    "vulns": [{"id": "CVE-2018-1000518", "fix_versions": ["5.0"]}],
}
OWN = {"name": "vaultmeet-rooms", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([CHECKED, OWN], CLEAN, "checked: 1 of 1 packages"),
        ([CHECKED, SKIPPED], NOT_CHECKED, "NOT CHECKED: uvloop; nothing is said of these"),
        ([SKIPPED], NOT_CHECKED, "checked: 0 of 1 packages"),
        ([OWN], NOT_CHECKED, "NOT CHECKED: anything"),
        ([CHECKED, FLAWED], VULNERABLE, "websockets 1.0: CVE-2018-1000518, fixed in 5.0"),
        ([SKIPPED, FLAWED], VULNERABLE, "NOT CHECKED: uvloop"),
    ],
)
def test_the_audit_says_what_it_checked_and_what_it_did_not(
    packages: list[object], code: int, said: str
) -> None:
    """A service that cannot be reached is no clean bill of health."""
    found, lines = verdict(json.dumps({"dependencies": packages, "fixes": []}))
    assert found == code
    assert said in "\n".join(lines)


@pytest.mark.parametrize("report", ["", "Traceback", "[]", '{"dependencies": null}'])
def test_an_audit_without_a_report_is_none(report: str) -> None:
    """Whatever came instead."""
    output = io.StringIO()
    assert main(io.StringIO(report), output) == NOT_CHECKED
    assert output.getvalue().startswith("NOT CHECKED: no report")
