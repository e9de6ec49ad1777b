"""The commands of the house: what CI, pre-commit and a person call is one and the same.

Owns the text of the scripts, and how `.ci/venv.sh` refuses a machine that it cannot use. That the
scripts work is seen by whoever reads this: it runs inside of them.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.sources import ROOT

SCRIPTS = (".ci/audit", ".ci/run", ".ci/venv.sh", "tests/run", "transport/serve")
BASH = shutil.which("bash") or "/bin/bash"
COREUTILS = ("dirname", "cat", "cp", "cut", "cksum", "mkdir", "rm", "id", "true")
WORKING = """
printf '%s\\n' "$*" >>"$(dirname -- "$0")/../said"
case "$*" in
  *'-m venv --clear'*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  *) exit 0 ;;
esac
"""
"""A Python that writes down what it is asked for, and does no more than that."""


def checks(script: str) -> set[str]:
    """The commands that the test command runs, without their variable part."""
    return {
        line.removesuffix(' "$@"') for line in re.findall(r"^check (.+)$", script, re.MULTILINE)
    }


def hooked(config: str) -> set[str]:
    """The commands that pre-commit runs in the test environment."""
    return set(re.findall(r"^ +entry: bash \.ci/venv\.sh test (.+)$", config, re.MULTILINE))


def test_pre_commit_runs_every_check_that_ci_runs() -> None:
    """A check that is added to the one is missed in the other."""
    run = checks((ROOT / "tests/run").read_text("utf-8"))
    hooks = hooked((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert {"ruff check .", "ruff format --check .", "mypy"} < run
    assert any(check.startswith("pytest ") for check in run)
    assert run <= hooks


def test_ci_runs_the_one_test_command() -> None:
    """Nothing stands between CI and what a person runs."""
    lines = (ROOT / ".ci/run").read_text("utf-8").splitlines()
    assert lines[-1] == "exec bash tests/run"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_executable_and_parses(script: str) -> None:
    """Each is bash from its first line, and has no slip in its grammar."""
    path = ROOT / script
    assert path.read_text("utf-8").startswith("#!/usr/bin/env bash\n")
    assert os.access(path, os.X_OK)
    assert subprocess.run([BASH, "-n", path], check=False).returncode == 0


def test_a_machine_without_a_new_enough_python_is_told_so(tmp_path: Path) -> None:
    """The message names the version that is needed and how to name another Python."""
    done = prepare(tmp_path, python="exit 1")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "PYTHON=" in done.stderr


def test_a_python_without_venv_is_told_what_to_install(tmp_path: Path) -> None:
    """Where the script may not install it, it names the package."""
    python = """
case "$*" in
  *version_info\\ \\<*) exit 0 ;;
  *ensurepip*) exit 1 ;;
  *) echo python3.11-venv ;;
esac
"""
    done = prepare(tmp_path, python=python)
    assert done.returncode == 1
    assert "modules venv and ensurepip are missing" in done.stderr
    assert "apt-get install python3.11-venv" in done.stderr


def test_an_install_that_fails_shows_its_words_and_fails(tmp_path: Path) -> None:
    """Quiet is for success alone."""
    python = """
case "$*" in
  *'-m venv'*) echo "no space left" >&2; exit 1 ;;
esac
"""
    done = prepare(tmp_path, python=python)
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert not (tmp_path / ".venv/.prepared").exists()


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    """The usage is shown, and nothing is made."""
    done = prepare(tmp_path, python="exit 0", profile="everything")
    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """A folder whose environment was made for `run`, and has a copy that was compiled."""
    assert prepare(tmp_path, python=WORKING, COMPILE="0").returncode == 0
    (tmp_path / ".venv/lib/python3.11/site-packages/actors").mkdir(parents=True)
    stamp = tmp_path / ".venv/.prepared"
    stamp.write_text(stamp.read_text("utf-8").replace(":nothing", ":1234 5678"), "utf-8")
    (tmp_path / ".venv/said").unlink()
    return tmp_path


@pytest.mark.parametrize("why", ["COMPILE", "no gcc"])
def test_what_is_not_compiled_any_more_is_not_run_any_more(compiled: Path, why: str) -> None:
    """The copy is of sources that may have changed: where nothing new is compiled, the sources
    themselves take its place, and without a network.
    """
    done = prepared_again(compiled, COMPILE="0" if why == "COMPILE" else "1")
    assert done.returncode == 0
    assert ("No C compiler" in done.stderr) is (why == "no gcc")
    said = (compiled / ".venv/said").read_text("utf-8")
    assert f"--no-deps --no-build-isolation --force-reinstall --editable {compiled}\n" in said
    assert said.count("pip install") == 1


def test_a_test_environment_is_not_ready_until_it_is_compiled(tmp_path: Path) -> None:
    """What failed is tried again the next time, and what had succeeded before is not."""
    assert prepare(tmp_path, python=WORKING, profile="test").returncode == 1
    (tmp_path / ".venv/said").unlink(missing_ok=True)
    done = prepared_again(tmp_path, profile="test")
    assert done.returncode == 1
    assert "No C compiler" in done.stderr
    assert "pip install" not in (tmp_path / ".venv/said").read_text("utf-8")
    assert prepared_again(tmp_path, profile="run").returncode == 0  # the server starts all the same
    assert prepared_again(tmp_path, profile="test").returncode == 1


def prepare(
    root: Path, *, python: str, profile: str = "run", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run a copy of the script in `root`, on a machine that has `python` as its only Python."""
    bin_dir = root / "bin"
    bin_dir.mkdir()
    for tool in COREUTILS:
        (bin_dir / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
    fake = bin_dir / "python3"
    fake.write_text(f"#!{BASH}\n{python}\n", "utf-8")
    fake.chmod(0o755)
    (root / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/venv.sh", root / ".ci/venv.sh")
    for settings in ("setup.cfg", "pyproject.toml"):
        (root / settings).write_text("", "utf-8")
    return prepared_again(root, profile=profile, **environment)


def prepared_again(
    root: Path, *, profile: str = "run", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run it where it was copied to."""
    return subprocess.run(
        [BASH, root / ".ci/venv.sh", profile, "true"],
        env={"PATH": str(root / "bin"), **environment},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
