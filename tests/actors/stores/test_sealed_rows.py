"""A sealed store whose rows somebody has changed or moved: refused, named, and left as they are."""

from collections.abc import Iterator
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits

import pytest

from actors.ids import RoomId
from actors.stores.codec import checksum
from actors.stores.port import StoreSealBroken
from actors.stores.sqlite import FILE_NAME, SqliteStore
from tests.actors.stores.damage import aside, sql
from tests.actors.stores.places import SEAL, Run, folding, seal_of
from tests.actors.stores.rooms import OTHER, ROOM, THIRD, delta, row, seen, whole

BASE64 = f"{ascii_uppercase}{ascii_lowercase}{digits}+/"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Three rooms in their rows, and an empty journal."""
    run = Run(lambda: folding(tmp_path, SEAL))
    for room, name in ((ROOM, "A"), (OTHER, "B"), (THIRD, "C")):
        run.write(whole(room, name))
    run.tidy()
    yield run
    run.store.close()


def key_in(run: Run, room: RoomId) -> str:
    """What stands for the room in the file."""
    assert isinstance(run.store, SqliteStore)
    return run.store.sealing.form.room_key(room)


def put(folder: Path, key: str, text: str) -> None:
    """Have the row hold `text`, with the checksum that it should have."""
    statement = "UPDATE rooms SET body = ?, checksum = ? WHERE room = ?"
    sql(folder, statement, text, checksum(key, text.encode()), key)


def text_in(folder: Path, key: str) -> str:
    """What the row holds."""
    ((text,),) = sql(folder, "SELECT body FROM rooms WHERE room = ?", key)
    return str(text)


def refuses(run: Run, room: RoomId, folder: Path, why: str) -> None:
    """The room is refused, again and again and by the next run; the file stays as it is."""
    before = sql(folder, "SELECT * FROM rooms ORDER BY room")
    for _ in "two runs":
        for _ in "twice":
            with pytest.raises(StoreSealBroken, match=why) as raised:
                run.store.load(room)
            assert key_in(run, room) in str(raised.value)
        assert sql(folder, "SELECT * FROM rooms ORDER BY room") == before
        assert sql(folder, "SELECT * FROM set_aside") == []
        assert run.reopen().remarks == ()
    assert aside(folder) == []


@pytest.mark.rule("T3.3")
def test_a_row_with_any_character_changed_is_refused(run: Run, tmp_path: Path) -> None:
    """By the checksum, and without it by the seal; also where base64 would read the same, which has
    spare bits in two of three lengths.
    """
    for room, name in ((ROOM, "A"), (OTHER, "B")):
        key = key_in(run, room)
        text = text_in(tmp_path, key)
        for at in range(len(text)):
            other = BASE64[(BASE64.find(text[at]) + 1) % len(BASE64)]
            changed = text[:at] + other + text[at + 1 :]
            put(tmp_path, key, changed)
            with pytest.raises(StoreSealBroken):
                run.store.load(room)
        put(tmp_path, key, text)
        assert run.load(room) == seen(whole(room, name))
    key = key_in(run, ROOM)
    sql(tmp_path, "UPDATE rooms SET checksum = checksum + 1 WHERE room = ?", key)
    refuses(run, ROOM, tmp_path, "its checksum is wrong")
    assert run.load(OTHER) == seen(whole(OTHER, "B"))


@pytest.mark.rule("T3.3")
def test_a_row_of_another_room_is_refused(run: Run, tmp_path: Path) -> None:
    """Put under its name, or its text put there with a checksum that is right."""
    put(tmp_path, key_in(run, ROOM), text_in(tmp_path, key_in(run, OTHER)))
    refuses(run, ROOM, tmp_path, "does not hold at this place")
    assert run.load(OTHER) == seen(whole(OTHER, "B"))


@pytest.mark.rule("T3.3")
def test_a_row_of_another_file_is_refused(run: Run, tmp_path: Path) -> None:
    """Of the same room, sealed with the same key."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = Run(lambda: folding(elsewhere, SEAL))
    other.write(whole(ROOM, "Z"))
    other.tidy()
    assert key_in(other, ROOM) != key_in(run, ROOM), "nor can files be held against each other"
    put(tmp_path, key_in(run, ROOM), text_in(elsewhere, key_in(other, ROOM)))
    other.store.close()
    refuses(run, ROOM, tmp_path, "does not hold at this place")


@pytest.mark.rule("T3.3")
def test_a_row_in_the_clear_is_refused(run: Run, tmp_path: Path) -> None:
    """Nobody without the key can put a room into a sealed store."""
    planted = '["lobby",9,9,1,1,1,{},{}]'
    put(tmp_path, key_in(run, ROOM), planted)
    refuses(run, ROOM, tmp_path, "it is not sealed")
    room = RoomId("planted")
    sql(tmp_path, "INSERT INTO rooms VALUES ('planted', ?, ?)", checksum("planted", b"[]"), "[]")
    assert run.load(room) is None
    assert room not in (run.reopen().rooms or ())


@pytest.mark.rule("T3.3")
def test_a_change_of_a_room_whose_row_is_refused_is_not_lost(run: Run, tmp_path: Path) -> None:
    """It stays in the journal, the others are folded, and it counts once the row is back."""
    key = key_in(run, ROOM)
    text = text_in(tmp_path, key)
    put(tmp_path, key, text[:-1] + chr(ord(text[-1]) ^ 1))
    for version in (2, 3):
        run.write(
            *(delta(room, {f"N{version}": row("N")}, version=version) for room in (ROOM, OTHER))
        )
        run.store.tidy()
    assert sql(tmp_path, "SELECT count(*) FROM journal") == [(1,)]
    for _ in "two runs":
        found = run.load(OTHER)
        assert found is not None
        assert sorted(found[4]) == ["B", "N2", "N3"]
        with pytest.raises(StoreSealBroken):
            run.store.load(ROOM)
        run.reopen()
    put(tmp_path, key, text)
    found = run.load(ROOM)
    assert found is not None
    assert (found[1], sorted(found[4])) == (3, ["A", "N2", "N3"])
    run.store.tidy()
    assert run.load(ROOM) == found


@pytest.mark.rule("T3.3", "T3.4")
def test_what_cannot_be_folded_is_not_tried_again_and_again(run: Run, tmp_path: Path) -> None:
    """However long it is: only with what is new, and a rotation of the key goes on past it."""
    key = key_in(run, ROOM)
    put(tmp_path, key, text_in(tmp_path, key)[:-8])
    run.write(delta(ROOM, {"N": row("N")}, version=2))
    assert run.tidy() < 10
    assert isinstance(run.store, SqliteStore)
    run.store.reseal(seal_of(2, 1))
    assert run.tidy() < 10
    assert not run.store.sealing.under_way
    found = run.load(OTHER)
    assert found is not None
    with pytest.raises(StoreSealBroken):
        run.store.load(ROOM)


@pytest.mark.rule("T3.3")
@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE journal SET body = substr(body, 1, length(body) - 1) WHERE seq = 2",
        (
            "UPDATE journal SET (checksum, body) ="
            " (SELECT checksum, body FROM journal WHERE seq = 3) WHERE seq = 2"
        ),
        "UPDATE journal SET mark = 7 WHERE seq = 2",
        "UPDATE journal SET body = CAST('[]' AS BLOB) WHERE seq = 2",
    ],
)
def test_a_row_of_the_journal_that_is_not_what_was_sealed_is_set_aside(
    harm: str, tmp_path: Path
) -> None:
    """Nobody knows of which rooms it was. What is set aside is sealed, and the checksum is not what
    finds it out.
    """
    run = Run(lambda: SqliteStore(tmp_path, flush=False, seal=SEAL))
    for version, name in ((1, "A"), (2, "B"), (3, "C")):
        run.write(delta(ROOM, {name: row(name)}, version=version))
    run.store.close()
    sql(tmp_path, harm)
    ((body,),) = sql(tmp_path, "SELECT body FROM journal WHERE seq = 2")
    sql(tmp_path, "UPDATE journal SET checksum = ? WHERE seq = 2", checksum("journal 2", body))
    (remark,) = run.reopen().remarks
    assert "row 2 of the journal was set aside" in remark
    assert str(tmp_path / FILE_NAME) in remark
    found = run.load(ROOM)
    assert found is not None
    assert sorted(found[4]) == ["A", "C"]
    ((place, kept),) = sql(tmp_path, "SELECT place, body FROM set_aside")
    assert place == "sealed"
    assert body not in kept
    run.store.close()


@pytest.mark.rule("T3.3")
def test_a_row_of_the_journal_of_another_file_is_set_aside(tmp_path: Path) -> None:
    """Of the same number and write, sealed with the same key."""
    bodies = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        run = Run(lambda here=folder: SqliteStore(here, flush=False, seal=SEAL))  # type: ignore[misc]
        run.write(whole(ROOM, name))
        run.store.close()
        bodies += sql(folder, "SELECT checksum, body FROM journal WHERE seq = 1")
    sql(tmp_path / "one", "UPDATE journal SET checksum = ?, body = ?", *bodies[1])
    run = Run(lambda: SqliteStore(tmp_path / "one", flush=False, seal=SEAL))
    assert "does not hold at this place" in run.opened.remarks[0]
    assert run.load(ROOM) is None
    run.store.close()
