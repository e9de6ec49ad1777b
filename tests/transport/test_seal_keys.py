"""Where seal keys come from, and the command that makes, adds and drops them."""

import os
import signal
from pathlib import Path

import pytest

from actors.recordings import reseal, write
from actors.sealing import KEYS_MAX, Seal, key_id, parse_keys
from actors.setting_sources import SEAL_KEY_ENV, load
from actors.settings import Settings
from actors.stores.sqlite import SqliteStore
from tests.actors.stores.places import NOW_MS, key, seal_of
from tests.actors.test_recordings import recording
from transport import cli
from transport.data_dir import DataDir
from transport.seal_keys import BYTES_MAX, SealKeys, SealKeysUnusable
from transport.seal_rotation import Turn, rotate_seal_key
from transport.secret_file import replace_secret


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of whoever runs the tests."""
    monkeypatch.delenv(SEAL_KEY_ENV, raising=False)


class Desk:
    """A key file, a data folder, and the command line for both."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file = folder / "seal.keys"
        self.data = folder / "data"
        self._capsys = capsys

    def rotate(self, *more: str) -> tuple[int, str]:
        """The exit code and what was said, which shows no key."""
        before = self.keys()
        words = ["--seal-key-file", str(self.file), "--data-dir", str(self.data)]
        code = cli.main(["rotate-key", *words, *more])
        said = self._capsys.readouterr()
        assert (said.out if code else said.err) == ""
        text = said.out + said.err
        assert not any(secret.hex()[:16] in text for secret in (*before, *self.keys()))
        return code, text

    def keys(self) -> tuple[bytes, ...]:
        return parse_keys(self.file.read_bytes()) if self.file.exists() else ()

    def seal(self) -> Seal:
        return Seal(self.keys(), os.urandom)

    def store(self, seal: Seal | None) -> None:
        """A run of a server in which all is done."""
        self.data.mkdir(exist_ok=True)
        store = SqliteStore(self.data, flush=False, seal=seal)
        store.open(NOW_MS)
        while store.tidy():
            pass
        store.close()


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Nothing is there yet."""
    return Desk(tmp_path, capsys)


# -- where they are


def test_without_a_file_and_a_variable_there_are_none() -> None:
    """And nothing seals."""
    assert SealKeys("", "", os.urandom).seal() is None


@pytest.mark.rule("T3.12")
def test_keys_are_read_from_the_file_or_from_the_environment(tmp_path: Path) -> None:
    """The newest first."""
    path = tmp_path / "k"
    path.write_text(f"{key(2).hex()}\n{key(1).hex()}\n")
    for keys in (SealKeys(str(path), "", os.urandom), SealKeys("", path.read_text(), os.urandom)):
        seal = keys.seal()
        assert seal is not None
        assert seal.ids == (key_id(key(2)), key_id(key(1)))
        assert key(1).hex() not in repr(keys)


@pytest.mark.rule("T3.8")
def test_the_variable_is_taken_and_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """It is no setting: neither is there a flag for it, nor a key of the file."""
    secret = key(1).hex()
    loaded = load({}, {SEAL_KEY_ENV: secret})
    assert loaded.seal_key == secret
    assert loaded.warnings == ()
    assert secret not in repr(loaded)
    assert cli.main(["check-config", "--seal-key", secret]) == 2
    assert "seal_key_file" in "".join(load({}, {}).sources)
    capsys.readouterr()


@pytest.mark.rule("T3.2", "T3.8")
@pytest.mark.parametrize(
    ("content", "text", "said"),
    [
        (None, "", "seal_key_file {path} cannot be read: No such file"),
        (b"", "", "seal_key_file {path} holds no seal keys: expected 1 to 8 keys"),
        (b"x" * 100, "", "seal_key_file {path} holds no seal keys: line 1: expected 32 bytes"),
        (b"#" * (BYTES_MAX + 1), "", "seal_key_file {path} is larger than"),
        (key(1), key(2).hex(), "seal_key_file and VAULTMEET_SEAL_KEY are both given"),
    ],
)
def test_what_is_wrong_is_named(
    content: bytes | None, text: str, said: str, tmp_path: Path
) -> None:
    """With the place, and without what is there."""
    path = tmp_path / "k"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SealKeysUnusable) as wrong:
        SealKeys(str(path), text, os.urandom).seal()
    assert said.format(path=path) in str(wrong.value)
    assert key(2).hex() not in str(wrong.value)


@pytest.mark.rule("T3.7")
@pytest.mark.parametrize(("mode", "inside", "worries"), [(0o600, False, 0), (0o640, False, 1),
    (0o600, True, 1), (0o604, True, 2)])  # fmt: skip
def test_a_file_that_is_no_secret_is_a_worry(
    mode: int, inside: bool, worries: int, tmp_path: Path
) -> None:
    """Others can read it, or it lies beside what it seals."""
    data = tmp_path / "data"
    data.mkdir()
    path = (data if inside else tmp_path) / "k"
    path.write_bytes(key(1))
    path.chmod(mode)
    assert len(SealKeys(str(path), "", os.urandom).worries(data)) == worries


# -- the command


@pytest.mark.rule("T3.9")
def test_a_first_key_is_made_once(desk: Desk) -> None:
    """For its owner alone; a file that is there is never replaced by that."""
    code, said = desk.rotate("--init")
    (first,) = desk.keys()
    assert code == 0
    assert f"made; seal keys: {key_id(first)}; no server runs" in said
    assert desk.file.stat().st_mode & 0o777 == 0o600
    code, said = desk.rotate("--init")
    assert (code, desk.keys()) == (1, (first,))
    assert "exists already" in said


@pytest.mark.rule("T3.4", "T3.9")
def test_a_key_is_added_in_front_and_dropped_when_nothing_needs_it(desk: Desk) -> None:
    """Not before the store says that it needs the newest alone, nor before the recordings do."""
    desk.rotate("--init")
    (first,) = desk.keys()
    desk.store(desk.seal())
    code, said = desk.rotate()
    second = desk.keys()[0]
    assert code == 0
    assert desk.keys() == (second, first)
    assert f"added key {key_id(second)}" in said
    code, said = desk.rotate("--drop-old")
    assert code == 1
    assert f"key {key_id(first)} is still used" in said
    desk.store(desk.seal())
    old = write(desk.data / "recordings", recording(), 10, Seal([first], os.urandom))
    code, said = desk.rotate("--drop-old")
    assert code == 1
    assert f"recordings are still sealed with {key_id(first)}" in said
    assert desk.keys() == (second, first)
    reseal(old, desk.seal())
    code, said = desk.rotate("--drop-old")
    assert code == 0
    assert "dropped 1" in said
    assert desk.keys() == (second,)
    desk.store(desk.seal())


@pytest.mark.rule("T3.9")
def test_no_key_is_dropped_for_a_store_that_is_not_sealed(desk: Desk) -> None:
    """Nor for one that is nowhere: most likely the folder is another one."""
    desk.rotate("--init")
    desk.rotate()
    for _ in "nowhere, and in the clear":
        code, said = desk.rotate("--drop-old")
        assert (code, len(desk.keys())) == (1, 2)
        assert "not all that is stored there is sealed yet" in said
        desk.store(None)


@pytest.mark.rule("T3.9")
def test_no_more_keys_are_kept_than_the_bound(desk: Desk) -> None:
    """None goes by itself: something may need it."""
    desk.rotate("--init")
    for _ in range(KEYS_MAX - 1):
        assert desk.rotate()[0] == 0
    before = desk.keys()
    code, said = desk.rotate()
    assert (code, desk.keys()) == (1, before)
    assert "--drop-old" in said


@pytest.mark.rule("T3.4")
def test_the_server_that_uses_the_folder_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the file has the key."""
    desk.rotate("--init")
    told: list[tuple[int, int, int]] = []
    monkeypatch.setattr(
        os, "kill", lambda pid, number: told.append((pid, number, len(desk.keys())))
    )
    data = DataDir(desk.data, os.urandom)
    data.lock()
    code, said = desk.rotate()
    data.unlock()
    assert code == 0
    assert f"server {os.getpid()} was told" in said
    assert told == [(os.getpid(), signal.SIGHUP, 2)]


@pytest.mark.rule("T3.9")
def test_the_command_says_what_it_needs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file: what the environment has is changed there. One that is no key file stays."""
    assert cli.main(["rotate-key"]) == 1
    assert "seal_key_file is needed" in capsys.readouterr().err
    monkeypatch.setenv(SEAL_KEY_ENV, key(1).hex())
    assert cli.main(["rotate-key"]) == 1
    said = capsys.readouterr().err
    assert f"{SEAL_KEY_ENV} is changed where it is set" in said
    assert key(1).hex() not in said
    monkeypatch.delenv(SEAL_KEY_ENV)
    desk.file.write_text("a shopping list")
    assert cli.main(["rotate-key", "--seal-key-file", str(desk.file)]) == 1
    assert "holds no seal keys" in capsys.readouterr().err
    assert desk.file.read_text() == "a shopping list"


@pytest.mark.rule("T3.5")
def test_of_two_rotations_at_a_time_one_is_refused(desk: Desk) -> None:
    """Else it would drop the key of the other, with which a server may have sealed by then."""
    desk.rotate("--init")
    (first,) = desk.keys()
    others: list[tuple[int, str]] = []
    settings = Settings(seal_key_file=str(desk.file), data_dir=str(desk.data))

    def key_in_time(size: int) -> bytes:
        others.append(desk.rotate())
        return os.urandom(size)

    data = DataDir(desk.data, key_in_time)
    announced: list[object] = []
    assert rotate_seal_key(settings, "", Turn.ADD, data, lambda *said: announced.append(said))[0]
    assert len(announced) == 1
    ((code, said),) = others
    assert code == 1
    assert f"{desk.file} cannot be written: another command is changing it" in said
    assert desk.keys()[1:] == (first,)
    assert desk.rotate()[0] == 0
    assert len(desk.keys()) == 3


@pytest.mark.rule("T3.5")
def test_a_file_that_cannot_be_replaced_is_as_it_was(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off before its last step; the next rotation goes through."""
    desk.rotate("--init")
    before = desk.keys()

    def cut(self: Path, target: Path) -> Path:
        raise OSError(5, "cut off")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", cut)
        code, said = desk.rotate()
        assert code == 1
        assert "cannot be written: cut off" in said
    assert desk.keys() == before
    assert desk.rotate()[0] == 0
    assert desk.keys()[1:] == before
    replace_secret(desk.file, "x")
    assert desk.file.read_text() == "x"
    assert seal_of(1).ids == (key_id(key(1)),)
