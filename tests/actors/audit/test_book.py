"""How an audit goes on: after good ends and bad ones, by size, by day, without its oldest files."""

import random

import pytest

from actors.audit.book import DAY_MS, HEAD_NAME, AuditFault, Bounds
from actors.audit.chain import FILE_BEGAN, FILES_REMOVED, ORIGIN, file_name
from actors.audit.port import Gap
from tests.actors.audit.stage import FIRST, NOW_MS, Office

SECOND, THIRD = file_name(2), file_name(3)


@pytest.mark.rule("T4.2")
def test_what_is_written_stands_there_in_order() -> None:
    """Over any number of lives and batches."""
    office = Office()
    book = office.life("a")
    office.write(book, "b", "c")
    office.write(office.life(), "d")
    assert office.events() == ["a", "b", "c", "d"]
    report = office.report()
    assert (report.files, report.records, report.breaches, report.remarks) == (2, 6, [], [])


@pytest.mark.rule("T4.4")
@pytest.mark.parametrize("knows_head", [True, False])
def test_a_line_torn_by_a_death_is_told_as_torn(knows_head: bool) -> None:
    """At whatever byte of it; the next life goes on behind the last whole one, and says so."""
    office = Office()
    office.write(office.life("a"), "b")
    if not knows_head:
        del office.folder.files[HEAD_NAME]
    files = dict(office.folder.files)
    line = office.lines()[2].replace(b'"n":3', b'"n":4')
    for size in range(1, len(line)):
        office.folder.files = files | {FIRST: files[FIRST] + line[:size]}
        where = f"{FIRST}:4: torn: {size} bytes of a record"
        assert f"{where}, which was never whole" in office.report().remarks
        book, end = office.opened()
        assert [part["bytes"] for part in end.torn] == [size]
        assert end.link.number == 3
        office.write(book, "c")
        report = office.report()
        assert f"{where}, as the next file tells" in report.remarks
        assert bool(report.breaches) is not knows_head
        assert office.events() == ["a", "b", "c"]


@pytest.mark.rule("T4.2")
def test_a_torn_line_that_was_told_stays_as_it_was() -> None:
    """Nobody changes, removes or makes one afterwards."""
    office = Office()
    office.life("a")
    whole = office.folder.files[FIRST]
    office.folder.files[FIRST] = whole + b'{"n":3,'
    office.life("b")
    assert office.breaches() == []
    for tail in (b"", b'{"n":4,', b'{"n":3,"', b'{"n":3'):
        office.folder.files[FIRST] = whole + tail
        assert office.report().breaches[0].file == FIRST
    office.life("c")
    office.folder.files[SECOND] += b'{"n":6'
    assert f"{SECOND}:3: expected a record, found a part of one" in office.breaches()


@pytest.mark.rule("T4.4")
def test_records_that_the_head_does_not_know_yet_are_kept() -> None:
    """The process died between a write and its head."""
    office = Office()
    book = office.life("a")
    office.folder.keeps_head = False
    office.write(book, "b", "c")
    office.folder.keeps_head = True
    assert office.breaches() == []
    office.life("d")
    assert office.events() == ["a", "b", "c", "d"]
    assert office.breaches() == []


@pytest.mark.rule("T4.4")
def test_deaths_at_the_beginning_of_files_are_no_breach() -> None:
    """Before the first head, and at any byte of a beginning, again and again."""
    office = Office()
    office.folder.keeps_head = False
    office.life()
    office.folder.keeps_head = True
    assert HEAD_NAME not in office.folder.files
    office.life("a")
    assert office.breaches() == []
    beginning = office.lines(SECOND)[0]
    for number, size in enumerate((0, 1, 40, len(beginning) - 1), 3):
        office.folder.files[file_name(number)] = beginning[:size]
    assert office.breaches() == []
    office.life("b")
    assert office.events() == ["a", "b"]
    assert office.breaches() == []
    assert len(office.report().remarks) == 3


@pytest.mark.rule("T4.3")
def test_a_cut_while_no_server_ran_is_told_at_the_start_and_stays_found() -> None:
    """The chain goes on behind what the head names, so the hole never closes."""
    office = Office()
    office.life("a", "b", "c")
    size = office.folder.size(FIRST)
    office.rewrite(office.lines()[:3])
    book, end = office.opened()
    assert end.breach == f"{FIRST}: expected record 4 to end at byte {size}"
    office.write(book, "d")
    assert f"{SECOND}:1: expected records 4 to 4 at the end of the file before" in office.breaches()
    office.write(book, "e")
    assert "e" in office.events()


@pytest.mark.rule("T4.3")
@pytest.mark.parametrize("head", [None, b"", b"x" * 256])
def test_a_head_that_is_gone_at_the_start_stays_found(head: bytes | None) -> None:
    """What was cut with it cannot be known; that it was gone is."""
    office = Office()
    office.life("a", "b", "c")
    office.rewrite(office.lines()[:2])
    if head is None:
        del office.folder.files[HEAD_NAME]
    else:
        office.folder.files[HEAD_NAME] = head
    office.life("d")
    (breach,) = office.breaches()
    assert breach.startswith(f"{SECOND}:1: the head was")


@pytest.mark.rule("T4.3")
def test_an_audit_without_any_file_goes_on_where_its_head_is() -> None:
    """Nobody begins anew unseen."""
    office = Office()
    office.life("a")
    del office.folder.files[FIRST]
    office.life("b")
    assert office.breaches() == [f"{SECOND}: expected {FIRST} before, which was not removed by age"]


@pytest.mark.rule("T4.3")
def test_files_that_are_no_audit_do_not_keep_it_from_going_on() -> None:
    """The next file begins soundly, and all before it is a breach."""
    office = Office()
    office.folder.files[FIRST] = b"nothing of ours\n" * 3
    _, end = office.opened()
    assert end.breach is not None
    office.life("a")
    assert office.events() == ["a"]
    assert office.report().breaches[0].file == FIRST
    office.folder.files["notes.txt"] = office.folder.files["audit-1.jsonl"] = b"not ours"
    office.life("b")
    assert office.events() == ["a", "b"]


# -- a disk that does not do


@pytest.mark.rule("T4.7")
def test_a_batch_that_a_full_disk_takes_in_part_is_taken_back_and_comes_once() -> None:
    """At whatever byte it is full."""
    sizes = random.Random(3)
    for _ in range(60):
        office = Office()
        book = office.life("a")
        office.folder.room = sizes.randrange(700)
        with pytest.raises(AuditFault, match="No space left"):
            office.write(book, "b", "c", "d")
        assert office.events() == ["a"]
        office.folder.room = None
        office.write(book, "b", "c", "d")
        assert office.events() == ["a", "b", "c", "d"]
        assert office.breaches() == []


@pytest.mark.rule("T4.7")
def test_what_cannot_be_taken_back_at_once_is_taken_back_first() -> None:
    """Nothing is written behind a part of a batch."""
    office = Office()
    book = office.life("a")
    office.folder.room, office.folder.cannot_cut = 400, True
    for _ in range(3):
        with pytest.raises(AuditFault):
            office.write(book, "b", "c")
        office.folder.room = None
    office.folder.cannot_cut = False
    office.write(book, "b", "c")
    assert office.events() == ["a", "b", "c"]
    assert office.breaches() == []


@pytest.mark.rule("T4.7")
def test_a_file_that_cannot_be_begun_is_begun_later() -> None:
    """Also where what there is of it cannot be removed meanwhile."""
    for cannot_cut in (False, True):
        office = Office(file_bytes_max=1)
        book = office.life("a")
        office.folder.room, office.folder.cannot_cut = 30, cannot_cut
        with pytest.raises(AuditFault):
            office.write(book, "b")
        office.folder.room, office.folder.cannot_cut = None, False
        office.write(book, "b")
        assert office.events() == ["a", "b"]
        assert office.breaches() == []


def test_a_gap_is_counted_by_whoever_verifies() -> None:
    """What the server could not keep, in so many words."""
    office = Office()
    book = office.life("a")
    book.write([Gap(12, NOW_MS, NOW_MS + 5)], NOW_MS)
    assert office.report().lost == 12
    assert office.shown()[-1]["details"] == {
        "count": 12,
        "fromMs": NOW_MS,
        "untilMs": NOW_MS + 5,
    }


# -- files begin and go


@pytest.mark.rule("T4.8")
def test_a_file_that_is_long_or_of_yesterday_is_followed_by_another() -> None:
    """With the reason in its beginning; a clock that goes back begins none."""
    office = Office(file_bytes_max=1200)
    book = office.life()
    for event in "abcdef":
        office.write(book, event)
    assert sorted(office.folder.files) == [FIRST, SECOND, HEAD_NAME]
    office.now_ms += DAY_MS
    office.write(book, "g")
    office.now_ms -= 2 * DAY_MS
    office.write(book, "h")
    reasons = [office.lines(name)[0].split(b'"why":"')[1][:4] for name in (FIRST, SECOND, THIRD)]
    assert reasons == [b"star", b"size", b'day"']
    assert office.events() == list("abcdefgh")
    assert office.breaches() == []
    assert all(FILE_BEGAN.encode() in office.lines(name)[0] for name in (FIRST, SECOND, THIRD))


@pytest.mark.rule("T4.8")
def test_files_older_than_they_are_kept_are_removed_and_that_is_an_entry() -> None:
    """The rest verifies from its first file on, also after the next life and the next removal."""
    office = Office(retention_days=3)
    book = office.life("a")
    for day in range(1, 10):
        office.now_ms = NOW_MS + day * DAY_MS
        office.write(book, f"day{day}")
    kept = sorted(set(office.folder.files) - {HEAD_NAME})
    assert kept == [file_name(number) for number in (6, 7, 8, 9, 10)]
    assert office.breaches() == []
    assert office.events().count(FILES_REMOVED) == 5
    assert office.events()[-1] == "day9"
    office.now_ms += 30 * DAY_MS
    office.life("late")
    assert len(office.folder.files) == 3  # that of the last day may have entries until today
    assert office.breaches() == []
    del office.folder.files[min(set(office.folder.files) - {HEAD_NAME})]
    assert office.breaches()


@pytest.mark.rule("T4.8")
def test_a_death_between_the_entry_and_the_removal_is_no_breach() -> None:
    """The files are there, and go the next time."""
    office = Office(retention_days=1)
    office.life("a")
    files = dict(office.folder.files)
    office.now_ms += 5 * DAY_MS
    office.life("b")
    office.now_ms += DAY_MS * 5
    book = office.life("c")
    assert FIRST not in office.folder.files
    office.folder.files[FIRST] = files[FIRST]
    office.folder.files[SECOND] = office.folder.files.get(SECOND, b"")
    office.write(book, "d")


@pytest.mark.rule("T4.8")
@pytest.mark.parametrize("wrong_ms", [5 * DAY_MS, NOW_MS + 9000 * DAY_MS])
def test_a_clock_that_was_wrong_for_a_while_removes_nothing_from_the_midst(wrong_ms: int) -> None:
    """Neither a file nor a person's key that is still needed; later all of them go in order."""
    office = Office(retention_days=10_000)
    office.life("a")
    office.now_ms += DAY_MS
    office.life("b")
    office.now_ms = wrong_ms
    office.life("wrong")
    office.now_ms = NOW_MS + 2 * DAY_MS
    office.bounds = Bounds(1 << 20, 30)
    office.life("c")
    assert office.events() == ["a", "b", "wrong", "c"]
    assert all("displayName" in entry for entry in office.shown())
    for days in range(25, 80, 5):
        office.now_ms = NOW_MS + days * DAY_MS
        office.life(f"day{days}")
        assert office.breaches() == []
    assert not {"a", "b", "wrong", "c"} & set(office.events())


@pytest.mark.rule("T4.4", "T4.8")
@pytest.mark.parametrize("size", [0, 40])
def test_a_file_torn_as_it_began_goes_with_those_around_it(size: int) -> None:
    """What is left verifies."""
    office = Office(retention_days=3)
    office.life("a")
    office.folder.files[SECOND] = office.lines()[0][:size]
    for day in range(12):
        office.now_ms = NOW_MS + day * DAY_MS
        office.life(f"day{day}")
        assert office.breaches() == []
    assert not {FIRST, SECOND, THIRD} & set(office.folder.files)


@pytest.mark.rule("T4.8")
def test_a_beginning_that_somebody_made_older_removes_nothing() -> None:
    """When a file began is believed where its mac is right."""
    office = Office(retention_days=100)
    office.life("a")
    office.life("b")
    office.life("c")
    for name in (FIRST, SECOND, THIRD):
        office.folder.files[name] = office.folder.files[name].replace(b'"at":"2026', b'"at":"1999')
    office.life("d")
    assert {FIRST, SECOND, THIRD} <= set(office.folder.files)


@pytest.mark.rule("T4.8")
def test_with_no_days_given_everything_is_kept() -> None:
    """However old."""
    office = Office()
    office.life("a")
    office.now_ms += 20_000 * DAY_MS
    office.life("b")
    assert FIRST in office.folder.files
    assert office.events() == ["a", "b"]


def test_an_audit_that_nobody_wrote_is_whole() -> None:
    """And ends where it begins."""
    report = Office().report()
    assert (report.link, report.breaches, report.remarks) == (ORIGIN, [], [])
