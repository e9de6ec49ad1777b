"""What anybody may do to the files of an audit, and that it is found, and where.

Each attack is somebody who can write the files and has no key.
"""

import re

import pytest

from actors.audit.book import HEAD_NAME
from actors.audit.chain import HEAD_BYTES, Head, Keys, Link, file_name, head_in, record_in
from actors.audit.reading import verified
from tests.actors.audit.stage import FIRST, KEYS, Office

SECOND, THIRD = file_name(2), file_name(3)
EVENTS = ("one", "two", "three", "four")


@pytest.fixture
def office() -> Office:
    """Three files: two of lives that ended well, the newest with four records and its beginning."""
    office = Office()
    office.life(*EVENTS)
    office.life(*EVENTS)
    office.life(*EVENTS)
    assert office.breaches() == []
    assert office.report().records == 15
    return office


@pytest.mark.rule("T4.2")
def test_each_byte_that_is_changed_is_found_where_it_is(office: Office) -> None:
    """In whatever file and line: the first breach is in that line, or at its end."""
    for name in (FIRST, SECOND, THIRD):
        whole = office.folder.files[name]
        for at in range(len(whole)):
            changed = bytearray(whole)
            changed[at] ^= 1
            office.folder.files[name] = bytes(changed)
            line = whole.count(b"\n", 0, at) + 1
            breaches = office.report().breaches
            assert breaches, f"byte {at} of {name}"
            first = breaches[0]
            is_last = line == 5 and whole[at : at + 1] == b"\n"  # then it looks torn
            where = (first.file, first.line)
            follower = (file_name(int(name[6:12]) + 1), 1)
            allowed = {(name, line), follower, (name, 0)} if is_last else {(name, line)}
            assert where in allowed, f"byte {at} of {name}, line {line}: {first}"
        office.folder.files[name] = whole
    assert office.breaches() == []


@pytest.mark.rule("T4.2")
def test_each_line_that_is_taken_out_is_found(office: Office) -> None:
    """Those before it that are named are the ones that are missing."""
    for name in (FIRST, SECOND, THIRD):
        lines = office.lines(name)
        for index in range(len(lines)):
            office.rewrite(lines[:index] + lines[index + 1 :], name)
            assert office.breaches(), f"line {index + 1} of {name}"
        office.rewrite(lines, name)
    lines = office.lines(SECOND)
    office.rewrite([*lines[:2], *lines[3:]], SECOND)
    assert office.breaches()[0] == f"{SECOND}:3: expected records 8 to 8, found 9"


@pytest.mark.rule("T4.2")
def test_lines_that_change_places_are_found(office: Office) -> None:
    """Neighbours or not."""
    lines = office.lines(SECOND)
    for one in range(5):
        for other in range(one + 1, 5):
            swapped = list(lines)
            swapped[one], swapped[other] = lines[other], lines[one]
            office.rewrite(swapped, SECOND)
            first = office.report().breaches[0]
            assert (first.file, first.line) == (SECOND, one + 1)


@pytest.mark.rule("T4.2")
def test_a_line_that_stands_there_twice_is_found(office: Office) -> None:
    """Wherever its copy is put."""
    lines = office.lines(THIRD)
    for index in range(len(lines)):
        office.rewrite([*lines[: index + 1], lines[index], *lines[index + 1 :]], THIRD)
        first = office.report().breaches[0]
        assert (first.file, first.line) == (THIRD, index + 2)
    office.rewrite([*lines, lines[2]], THIRD)
    assert office.breaches() == [f"{THIRD}:6: expected record 16, found 13 again"]


@pytest.mark.rule("T4.2")
def test_a_line_of_another_audit_is_found(office: Office) -> None:
    """Also one with the right number, and a whole file."""
    other = Office()
    other.chance.random()
    foreign_keys = Keys.of(b"another key of 32 bytes, by us.." * 1)
    other.life("sham", "two", "three", "four")
    other.life(*EVENTS)
    lines = office.lines(SECOND)
    office.rewrite([*lines[:2], other.lines(SECOND)[2], *lines[3:]], SECOND)
    assert office.breaches()[0] == f"{SECOND}:3: record 8 was changed"
    office.rewrite(other.lines(SECOND), SECOND)
    assert office.report().breaches[0].file == SECOND
    office.rewrite(lines, SECOND)
    assert verified(office.folder, foreign_keys).breaches


@pytest.mark.rule("T4.2")
def test_each_file_that_is_removed_is_found(office: Office) -> None:
    """The first, one between, and the last."""
    files = dict(office.folder.files)
    expected = {
        FIRST: f"{SECOND}: expected {FIRST} before, which was not removed by age",
        SECOND: f"{THIRD}: expected {SECOND} before",
        THIRD: f"{SECOND}: expected records 11 to 15 at its end, which the head names",
    }
    for name, what in expected.items():
        office.folder.files = {key: data for key, data in files.items() if key != name}
        assert what in office.breaches()
    office.folder.files = {HEAD_NAME: files[HEAD_NAME]}
    assert office.breaches() == [
        "the folder: expected records 1 to 15 at its end, which the head names"
    ]


@pytest.mark.rule("T4.2")
def test_files_that_change_names_are_found(office: Office) -> None:
    """A file says which one it is."""
    files = office.folder.files
    files[FIRST], files[SECOND] = files[SECOND], files[FIRST]
    assert office.breaches()[0] == f"{FIRST}:1: expected the beginning of file 1"


@pytest.mark.rule("T4.3")
def test_a_cut_anywhere_in_what_the_head_knows_is_found(office: Office) -> None:
    """At a byte or at the end of a line: nothing of it is taken for torn."""
    whole = office.folder.files[THIRD]
    for size in range(len(whole)):
        office.folder.files[THIRD] = whole[:size]
        report = office.report()
        assert report.breaches, f"cut to {size} bytes"
        assert report.remarks == []


@pytest.mark.rule("T4.3")
def test_a_head_that_is_changed_or_removed_is_found(office: Office) -> None:
    """So is one of another audit. An older one, put back together with a cut file, is not."""
    head = office.folder.files[HEAD_NAME]
    assert len(head) == HEAD_BYTES
    for at in range(HEAD_BYTES):
        changed = bytearray(head)
        changed[at] ^= 1
        office.folder.files[HEAD_NAME] = bytes(changed)
        assert office.breaches(), f"byte {at} of the head"
    del office.folder.files[HEAD_NAME]
    assert office.breaches() == ["head: expected the head of this audit, found none"]
    other = Office()
    other.life("more", *EVENTS, *EVENTS, *EVENTS)
    office.folder.files[HEAD_NAME] = other.folder.files[HEAD_NAME]
    assert office.breaches() == [f"{THIRD}: record 14 is not the one that the head names"]


@pytest.mark.rule("T4.3")
def test_an_older_state_put_back_is_found_by_an_anchor_alone() -> None:
    """All files as they once were are a whole audit: what the log was told later is missing."""
    office = Office()
    book = office.life("one")
    earlier = dict(office.folder.files)
    anchor = office.write(book, "two")
    assert office.report(anchor).breaches == []
    office.folder.files = earlier
    assert office.breaches() == []
    (breach,) = office.report(anchor).breaches
    assert breach.what == f"expected record 3 with the mac {anchor.mac.hex()}"


@pytest.mark.rule("T4.2")
def test_what_was_never_a_line_is_found(office: Office) -> None:
    """Whatever it looks like, without an end of the world."""
    lines = office.lines(SECOND)
    for junk in (
        b"\n",
        b"{}\n",
        b"\x00" * 300 + b"\n",
        b'{"n":8}\n',
        b'{"n":8,"mac":"' + b"0" * 64 + b'"}\n',
        b'{"n":8,' + b"[" * 100_000 + b',"mac":"' + b"0" * 64 + b'"}\n',
        b"\xff\xfe\n",
        lines[2].rstrip(b"\n") + b" \n",
        lines[2].replace(b"\n", b"\r\n"),
        b" " + lines[2],
    ):
        office.rewrite([*lines[:2], junk, *lines[3:]], SECOND)
        first = office.report().breaches[0]
        assert (first.file, first.line) == (SECOND, 3), junk[:20]
    office.rewrite([b"[" * 3_000_000], SECOND)
    assert office.report().breaches


def test_a_record_is_taken_apart_as_it_was_put_together(office: Office) -> None:
    """Its body has all but the mac."""
    for line in office.lines():
        record = record_in(line)
        assert record is not None
        assert record.fields()["n"] == record.number
        assert b'"mac"' not in record.body


def test_a_head_reads_back_with_its_key_alone() -> None:
    """Whatever its numbers."""
    head = Head(Link(10**15, bytes(range(32))), 10**11, 10**12)
    text = head.text(KEYS.head)
    assert len(text) == HEAD_BYTES
    assert re.fullmatch(rb"[0-9a-f ]+\n", text)
    assert head_in(text, KEYS.head) == head
    assert head_in(text, KEYS.chain) is None
    assert head_in(b"", KEYS.head) is None
    assert head_in(b"1 2 3 4 5", KEYS.head) is None
