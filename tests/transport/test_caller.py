"""Who runs a command, as the audit has it."""

import os
import pwd
from pathlib import Path

import pytest

from transport import caller as callers
from transport.caller import caller


@pytest.mark.rule("T4.12")
@pytest.mark.parametrize(
    ("login", "told"),
    [("4242", {"loginUid": 4242}), (str(os.getuid()), {}), ("4294967295", {}), ("", {})],
    ids=["other", "same", "none", "unknown"],
)
def test_who_runs_it_and_who_had_logged_in(
    login: str, told: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second where it is somebody else, as behind sudo."""
    (tmp_path / "loginuid").write_text(login, "ascii")
    monkeypatch.setattr(callers, "_LOGIN_UID", tmp_path / "loginuid")
    user = pwd.getpwuid(os.getuid()).pw_name
    assert caller() == {"uid": os.getuid(), "user": user, "pid": os.getpid(), **told}


@pytest.mark.rule("T4.12")
def test_who_has_no_name_has_a_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(callers, "_LOGIN_UID", tmp_path / "nowhere")
    assert caller() == {"uid": os.getuid(), "pid": os.getpid()}
