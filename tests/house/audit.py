"""What a report of pip-audit means: nothing known, something known, or not checked.

Owns the verdict of `.ci/audit`. pip-audit passes over packages that its service does not answer
for and ends with "no known vulnerabilities"; here that is a failure of its own.
"""

import json
import sys
from typing import TextIO

CLEAN, VULNERABLE, NOT_CHECKED = 0, 1, 3
OWN = "vaultmeet-rooms"
"""Not on any index: nobody has advisories for it."""


def verdict(report: str) -> tuple[int, list[str]]:
    """The exit code, and what to say, for pip-audit's JSON."""
    try:
        found = json.loads(report)["dependencies"]
        packages = [package for package in found if package["name"] != OWN]
        skipped = [package["name"] for package in packages if "skip_reason" in package]
        known = [
            f"{package['name']} {package['version']}: {flaw['id']}, "
            f"fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
            for package in packages
            for flaw in package.get("vulns", ())
        ]
    except (ValueError, KeyError, TypeError) as error:
        return NOT_CHECKED, [f"NOT CHECKED: no report ({type(error).__name__})"]
    checked = len(packages) - len(skipped)
    said = [*known, f"checked: {checked} of {len(packages)} packages"]
    if skipped or not packages:
        said.append(f"NOT CHECKED: {', '.join(skipped) or 'anything'}; nothing is said of these")
    if known:
        return VULNERABLE, said
    return (NOT_CHECKED if skipped or not packages else CLEAN), said


def main(report: TextIO, output: TextIO) -> int:
    """Say what `report` means; the exit code."""
    code, said = verdict(report.read())
    output.write("\n".join(said) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.stdin, sys.stdout))
