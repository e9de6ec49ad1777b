"""Requests to erase a person as files: sealed where things are, and there until all is done."""

import os
from pathlib import Path
from typing import Final

import pytest

from actors.sealing import Seal
from tests.actors.stores.places import seal_of
from transport.erasure_requests import ErasureRequests, RequestUnreadable

NAME: Final = "Zaphod-€"


def requests(folder: Path, seal: Seal | None = None) -> ErasureRequests:
    """Those of a folder."""
    return ErasureRequests(folder, lambda: seal, os.urandom)


def content(folder: Path) -> bytes:
    """All bytes and names below it."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(path.name.encode() + path.read_bytes() for path in paths)


@pytest.mark.rule("T5.8", "T3.1")
@pytest.mark.parametrize("seal", [None, seal_of(1)], ids=["clear", "sealed"])
def test_a_request_is_there_until_it_is_finished(seal: Seal | None, tmp_path: Path) -> None:
    """And its answer until somebody has taken it; neither outlives that."""
    asked = requests(tmp_path, seal)
    assert asked.pending() == []
    name = asked.put(NAME)
    assert (b"Zaphod" in content(tmp_path)) is (seal is None)
    again = requests(tmp_path, seal)
    assert again.pending() == [name]
    assert again.user_id(name) == NAME
    assert again.take_done(name) is None
    again.finish(name, {"rules": ["CanaryRoom: ban"]})
    assert again.pending() == []
    assert b"Zaphod" not in content(tmp_path)
    assert (b"CanaryRoom" in content(tmp_path)) is (seal is None)
    assert asked.take_done(name) == {"rules": ["CanaryRoom: ban"]}
    assert asked.take_done(name) is None
    assert content(tmp_path) == b""


@pytest.mark.rule("T5.8")
def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    """The folder as well."""
    requests(tmp_path).put(NAME)
    (folder,) = tmp_path.iterdir()
    (path,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


@pytest.mark.rule("T5.8")
@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b'{"userId": 7}', b'{"userId": ""}', b"\xff", b'"x"']
)
def test_what_names_nobody_is_refused_and_left(text: bytes, tmp_path: Path) -> None:
    """By its place."""
    asked = requests(tmp_path)
    name = asked.put(NAME)
    (path,) = (tmp_path / "erasures").iterdir()
    path.write_bytes(text)
    with pytest.raises(RequestUnreadable, match=path.name):
        asked.user_id(name)
    assert path.read_bytes() == text


@pytest.mark.rule("T5.8", "T3.3")
def test_a_sealed_request_is_read_with_its_key_under_its_name(tmp_path: Path) -> None:
    """Another key, none, or another name will not do."""
    asked = requests(tmp_path, seal_of(1))
    name = asked.put(NAME)
    assert requests(tmp_path, seal_of(2, 1)).user_id(name) == NAME
    for seal in None, seal_of(2):
        with pytest.raises(RequestUnreadable):
            requests(tmp_path, seal).user_id(name)
    (path,) = (tmp_path / "erasures").iterdir()
    path.rename(path.with_name("other.request"))
    with pytest.raises(RequestUnreadable):
        asked.user_id("other")


def test_answers_that_nobody_took_and_drafts_are_cleared(tmp_path: Path) -> None:
    """Requests are not."""
    asked = requests(tmp_path)
    done, open_ = asked.put(NAME), asked.put(NAME)
    asked.finish(done, {})
    (tmp_path / "erasures" / ".x.request.new").write_text("half")
    asked.clear_done()
    assert [path.name for path in (tmp_path / "erasures").iterdir()] == [f"{open_}.request"]
