"""Keys of persons, and what is left of a person without one."""

import json
import random
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.audit import people as module
from actors.audit.book import DAY_MS, ERASED
from actors.audit.people import PeopleUnusable, SqlitePeople
from actors.audit.port import Entry, Told
from tests.actors.audit.stage import KEYS, ROOM, Office, fact

CANARY = "canary-of-ann"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[SqlitePeople]:
    """A table in a file."""
    table = table_in(tmp_path)
    yield table
    table.close()


def table_in(folder: Path) -> SqlitePeople:
    """The table of that folder, opened once more."""
    chance = random.Random(str(folder) + str(len(list(folder.iterdir()))))
    return SqlitePeople(folder / "people.db", KEYS.people, chance.randbytes)


def sealed_in(table: SqlitePeople, ref: str) -> bytes:
    """A person's key, as the table keeps it."""
    (sealed,) = table._rows.execute("SELECT key FROM people WHERE ref = ?", (ref,)).fetchone()
    assert isinstance(sealed, bytes)
    return sealed


@pytest.mark.rule("T4.6")
def test_a_person_has_one_key_which_nobody_else_has(people: SqlitePeople) -> None:
    """Random, 256 bits, found by the user and by what entries call it."""
    ann, bob = people.of("ann", 1), people.of("bob", 1)
    assert people.of("ann", 2) == ann
    assert len(ann.key) == 32
    assert ann.key != bob.key
    assert ann.ref != bob.ref
    assert people.known("ann") == people.by_ref(ann.ref) == ann
    assert people.known("cid") is None
    assert people.by_ref("cid") is None
    assert ann.key.hex() not in repr(ann)


@pytest.mark.rule("T4.6")
def test_a_destroyed_key_is_gone_from_the_file(people: SqlitePeople, tmp_path: Path) -> None:
    """Every byte of it; the person gets another one, and another name."""
    ann, bob = people.of("ann", 1), people.of("bob", 1)
    people.commit()
    written = (tmp_path / "people.db").read_bytes()
    sealed_ann, sealed_bob = sealed_in(people, ann.ref), sealed_in(people, bob.ref)
    assert sealed_ann in written
    assert ann.key not in written
    assert b"ann" not in written
    assert people.of("ann", 1) == ann  # it is remembered
    assert people.forget("ann")
    assert not people.forget("ann")
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert sealed_ann not in left
    assert sealed_bob in left
    assert people.by_ref(ann.ref) is None
    again = people.of("ann", 1)
    assert (again.ref == ann.ref, again.key == ann.key) == (False, False)


@pytest.mark.rule("T4.6")
def test_a_key_that_another_process_destroyed_is_used_no_more(
    people: SqlitePeople, tmp_path: Path
) -> None:
    """From the next batch on."""
    ann = people.of("ann", 1)
    people.commit()
    other = table_in(tmp_path)
    assert other.forget("ann")
    other.close()
    people.commit()
    assert people.of("ann", 1) != ann


def test_keys_are_remembered_over_lives_and_in_bounds(
    people: SqlitePeople, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of more persons than are kept in memory, too."""
    monkeypatch.setattr(module, "CACHED_MAX", 3)
    keys = {name: people.of(name, 1) for name in "abcdefgh"}
    assert len(people._cache) == 3
    assert {name: people.of(name, 1) for name in "abcdefgh"} == keys
    people.commit()
    assert {name: table_in(tmp_path).known(name) for name in "abcdefgh"} == keys


def test_keys_go_with_the_last_entries_of_their_persons(people: SqlitePeople) -> None:
    """By the day of the newest one."""
    people.of("ann", 1)
    people.of("bob", 1)
    people.commit()
    people.of("bob", 5)
    assert people.forget_before(5) == 1
    assert people.known("ann") is None
    assert people.known("bob") is not None


@pytest.mark.rule("T4.11")
def test_the_table_is_its_owners_alone_and_no_other_is_touched(
    people: SqlitePeople, tmp_path: Path
) -> None:
    """A file that is no table of ours is named, and left as it is."""
    assert stat.S_IMODE((tmp_path / "people.db").stat().st_mode) == 0o600
    other = tmp_path / "other.db"
    rows = sqlite3.connect(other)
    rows.execute("CREATE TABLE t (x)")
    rows.commit()
    rows.close()
    for path, content in ((other, other.read_bytes()), (tmp_path / "text", b"text " * 300)):
        path.write_bytes(content)
        with pytest.raises(PeopleUnusable, match=str(path)):
            SqlitePeople(path, KEYS.people, random.randbytes)
        assert path.read_bytes() == content
    with pytest.raises(PeopleUnusable, match="No such file"):
        SqlitePeople(tmp_path / "no" / "where", KEYS.people, random.randbytes)


# -- entries about persons


@pytest.mark.rule("T4.6")
def test_an_entry_names_nobody_to_whom_has_no_key() -> None:
    """Not the user, the name that it shows, nor what others wrote about it."""
    office = Office()
    book = office.life()
    told = fact("user_banned", CANARY, "anon-1", persons=("canary-of-bob",), why="canary-reason")
    book.write([Told(office.now_ms, ROOM, 9, told)], office.now_ms)
    named = {"displayName": "canary-name"}
    book.write([Entry(office.now_ms, "x", person=CANARY, personal=named)], office.now_ms)
    assert b"canary" not in b"".join(office.folder.files.values())
    ban, other = office.shown()
    assert ban["userId"] == other["userId"] == CANARY
    assert ban["person"] == other["person"]
    assert ban["shownAs"] == "anon-1"
    assert other["displayName"] == "canary-name"
    (about,) = json.loads(json.dumps(ban["about"]))
    assert (about["userId"], about["why"]) == ("canary-of-bob", "canary-reason")
    assert ban["details"] == {"epoch": 9, "version": 3}


@pytest.mark.rule("T4.6", "T4.10")
def test_a_key_with_a_bit_turned_is_that_of_one_person() -> None:
    """What was told of it is unreadable; entries go on, that person's with another key."""
    office = Office()
    book = office.life("a")
    book.write([Entry(office.now_ms, "b", person="bob")], office.now_ms)
    ann = office.people.of("ann", 1)
    broken = bytearray(sealed_in(office.people, ann.ref))
    broken[-1] ^= 1
    office.people._rows.execute("UPDATE people SET key = ? WHERE ref = ?", (bytes(broken), ann.ref))
    office.people._cache.clear()
    assert office.shown()[0]["unreadable"] is True
    office.write(office.life(), "c", "d")
    shown = office.shown()
    assert [entry.get("userId") for entry in shown] == [None, "bob", "ann", "ann"]
    assert shown[0]["unreadable"] is True
    assert shown[0]["person"] == ann.ref != shown[2]["person"]
    assert office.breaches() == []


@pytest.mark.rule("T4.6")
def test_a_person_that_is_forgotten_is_unreadable_and_the_chain_is_whole() -> None:
    """The others stay; that it was forgotten is an entry, under a name that leads nowhere."""
    office = Office()
    book = office.life("a")
    book.write([Entry(office.now_ms, "b", person="bob")], office.now_ms)
    (before, _) = office.shown()
    assert book.forget("ann", office.now_ms)
    assert not book.forget("ann", office.now_ms)
    assert office.breaches() == []
    ann, bob, erased = office.shown()
    assert ann["erased"] is True
    assert "userId" not in ann
    assert bob["userId"] == "bob"
    assert (erased["event"], erased["details"]) == (ERASED, {"person": before["person"]})
    office.write(book, "c")
    assert office.shown()[-1]["userId"] == "ann"
    assert office.shown()[-1]["person"] != before["person"]


@pytest.mark.rule("T4.6", "T4.8")
def test_a_person_without_entries_has_no_key_any_more() -> None:
    """It goes with the last file that tells of it."""
    office = Office(retention_days=2)
    book = office.life("a")
    office.now_ms += DAY_MS * 5
    book.write([Entry(office.now_ms, "b", person="bob")], office.now_ms)
    office.now_ms += DAY_MS
    book.write([Entry(office.now_ms, "c", person="bob")], office.now_ms)
    office.now_ms += DAY_MS * 3
    book.write([Entry(office.now_ms, "d")], office.now_ms)
    assert office.people.known("ann") is None
    assert office.people.known("bob") is not None


@pytest.mark.rule("T4.6")
def test_what_is_sealed_for_one_person_opens_for_no_other() -> None:
    """Not even where somebody puts it there."""
    office = Office()
    book = office.life("a")
    book.write([Entry(office.now_ms, "b", person="bob")], office.now_ms)
    ann, bob = office.people.known("ann"), office.people.known("bob")
    assert ann is not None
    assert bob is not None
    swapped = office.folder.files
    for name, data in swapped.items():
        swapped[name] = data.replace(ann.ref.encode(), bob.ref.encode())
    entry = json.loads(office.lines()[1])
    from actors.audit.reading import opened

    assert opened(entry, office.people)["unreadable"] is True


def test_a_guest_is_no_person() -> None:
    """Its name is that of its session, which the entry has; with a name of its own it is one."""
    office = Office()
    book = office.life()
    guest = Entry(office.now_ms, "a", "lobby", "AAAA", "guest-AAAA")
    named = guest._replace(personal={"displayName": "Ann"})
    other = guest._replace(person="guest-BBBB")
    book.write([guest, named, other], office.now_ms)
    assert ["person" in entry for entry in office.shown()] == [False, True, True]
