"""Requests to erase, and ages, in a server whose threads do at once what they are asked."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from actors.directory import Directory
from actors.ids import RoomId
from actors.keys import derived
from actors.ledger import StoreLedger
from actors.retention import DAY_MS, SWEEP_S
from actors.settings import Settings
from actors.stores.port import StoreFault, StoreFull
from actors.stores.sqlite import SqliteStore
from tests.actors.fake_operator import FakeMetrics
from tests.actors.stores.places import Run, folding
from tests.actors.stores.rooms import whole
from tests.transport.simulated import SimulatedClock, WrittenLog
from transport.erasure_requests import ErasureRequests
from transport.server_privacy import ServerPrivacy, Stored

ANN: Final = "person-A"


class Keeper:
    """A store's thread that waits for nothing, and fails as often as is said."""

    def __init__(self) -> None:
        self.failing = 0

    def do(
        self,
        work: Callable[[], object],
        deliver: Callable[[Any], object],
        untidy: Callable[[StoreFault], object],
    ) -> None:
        del untidy
        if self.failing:
            self.failing -= 1
            deliver(StoreFull("the disk is full"))
            return
        try:
            outcome = work()
        except StoreFault as fault:
            deliver(fault)
        else:
            deliver(outcome)

    load = write = settle = None


class Recordings:
    """The folder's thread that waits for nothing."""

    def ask(self, work: Callable[[], object], deliver: Callable[[object], object]) -> None:
        try:
            outcome = work()
        except OSError as error:
            outcome = str(error)
        deliver(outcome)


class Serving:
    """A server without connections."""

    def __init__(self) -> None:
        self.keys = derived(b"k")
        mailbox: Any = None  # nobody asks the registry
        self.directory: Final = Directory(mailbox)
        self.audit = None
        self.noted: list[tuple[str, dict[str, object]]] = []
        self.audit_log: Any = self

    def note(self, event: str, **details: object) -> None:
        self.noted.append((event, details))


class House:
    """A server's privacy on a real folder."""

    opened: ClassVar[list["House"]] = []

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.opened.append(self)
        self.settings: Final = Settings(resume_grace_s=30, store_retry_s=5, **settings)
        self.folder: Final = folder
        self.clock: Final = SimulatedClock()
        self.log: Final = WrittenLog()
        self.serving: Final = Serving()
        self.keeper: Final = Keeper()
        self.run: Final = Run(lambda: folding(folder), self.clock.now_ms())
        store = self.run.store
        assert isinstance(store, SqliteStore)
        self.store: Final = store
        keeper: Any = self.keeper
        recordings: Any = Recordings()
        seal: Any = type("Seal", (), {"seal": None})()
        ledger = StoreLedger(
            keeper, self.run.opened, self.clock, self.settings, self.log, FakeMetrics()
        )
        ledger.stop()
        self.requests: Final = ErasureRequests(folder, lambda: None, os.urandom)
        self.privacy: Final = ServerPrivacy(
            self.settings,
            folder,
            self.serving,
            Stored(store, keeper, seal, ledger, recordings),
            self.clock,
            self.log,
            os.urandom,
        )

    def keep(self, **ages_days: float) -> None:
        """Have rooms in the store, each last touched so many days ago."""
        now_ms = self.clock.now_ms()
        for name, days in ages_days.items():
            self.run.write(whole(RoomId(name), "A", "B", active=now_ms - round(days * DAY_MS)))
        self.run.tidy()

    def rooms(self, *names: str) -> set[str]:
        """Those of `names` that are kept."""
        return {name for name in names if self.store.load(RoomId(name)) is not None}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """The store of a house is closed with its test."""
    yield
    while House.opened:
        House.opened.pop().store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with two recordings, of now and of ten days before."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for day in ("20251231", "20251220"):
        (recordings / f"{day}T221320000Z-lobby-room_lost.json").write_text("{}")
    (recordings / "notes.txt").write_text("mine")
    return tmp_path


@pytest.mark.rule("T5.1", "T5.2", "T5.10")
def test_what_is_too_old_goes_once_nobody_can_come_back(folder: Path) -> None:
    """After the grace since the start and every hour; told with counts, in log and audit."""
    house = House(folder, room_retention_days=3, recorder_retention_days=3)
    house.clock.now_ms()
    house.keep(old=4, young=2, open=5)
    house.serving.directory.rooms[RoomId("open")] = object()  # type: ignore[assignment]
    house.privacy.begin()
    house.clock.advance(30)
    assert house.rooms("old", "young", "open") == {"old", "young", "open"}, "the grace runs"
    house.clock.advance(1)
    assert house.rooms("old", "young", "open") == {"young", "open"}
    told = {"rooms": 1, "setAside": 0, "recordings": told_recordings(folder)}
    assert house.log.told("retention_swept") == [told]
    assert house.serving.noted == [("retention_swept", told)]
    house.clock.advance(SWEEP_S)
    assert len(house.log.told("retention_swept")) == 1, "nothing was to be done"
    del house.serving.directory.rooms[RoomId("open")]
    house.clock.advance(SWEEP_S)
    assert house.rooms("old", "young", "open") == {"young"}


def told_recordings(folder: Path) -> int:
    """How many of the two are gone; other files never go."""
    names = {path.name for path in (folder / "recordings").iterdir()}
    assert "notes.txt" in names
    return 3 - len(names)


@pytest.mark.rule("T5.1", "T5.2")
def test_with_zero_days_nothing_goes(folder: Path) -> None:
    """However long the server runs."""
    house = House(folder)
    house.keep(old=5000)
    house.privacy.begin()
    house.clock.advance(10 * DAY_MS / 1000)
    assert house.rooms("old") == {"old"}
    assert told_recordings(folder) == 0
    assert not house.serving.noted


@pytest.mark.rule("T5.9", "T5.10")
def test_a_sweep_that_fails_is_told_and_goes_on_an_hour_later(folder: Path) -> None:
    """A disk that is full keeps nobody waiting."""
    house = House(folder, room_retention_days=3)
    house.keep(old=4)
    house.keeper.failing = 1
    house.privacy.begin()
    house.clock.advance(31)
    assert house.log.told("retention_not_swept") == [{"error": "the disk is full"}]
    assert house.rooms("old") == {"old"}
    house.clock.advance(SWEEP_S)
    assert house.rooms("old") == set()


@pytest.mark.rule("T5.4", "T5.8")
def test_requests_that_are_there_at_the_start_are_done(folder: Path) -> None:
    """One after the other; the answers are there for whoever asks, and the requests are not."""
    house = House(folder)
    house.keep(hall=1)
    names = [house.requests.put(person) for person in (ANN, "nobody")]
    house.privacy.begin()
    house.clock.advance(1)
    assert house.requests.pending() == []
    done = [house.requests.take_done(name) or {} for name in names]
    assert [one["seats"] for one in done] == [1, 0]
    record = house.store.load(RoomId("hall"))
    assert record is not None
    assert set(record.rows) == {"B"}
    assert len(house.log.told("person_erased")) == 2
    assert ANN not in str(house.log.lines)


@pytest.mark.rule("T5.9")
def test_a_disk_that_takes_nothing_is_told_once_and_tried_until_it_does(folder: Path) -> None:
    """The request stays until then; nothing of it names the person."""
    house = House(folder)
    house.keep(hall=1)
    house.keeper.failing = 3
    name = house.requests.put(ANN)
    house.privacy.begin()
    house.clock.advance(1)
    assert house.requests.pending() == [name]
    house.clock.advance(10)
    assert house.log.told("person_not_erased") == [{"error": "the disk is full"}]
    house.clock.advance(10)
    assert house.requests.take_done(name) is not None
    assert ANN not in str(house.log.lines)


@pytest.mark.rule("T5.8")
def test_a_request_that_cannot_be_read_is_told_once_and_left(folder: Path) -> None:
    """It stands in the way of no other."""
    house = House(folder)
    bad = house.requests.put(ANN)
    path = folder / "erasures" / f"{bad}.request"
    path.write_text("nobody")
    good = house.requests.put("person-B")
    house.privacy.begin()
    house.privacy.look()
    house.clock.advance(1)
    house.privacy.look()
    assert len(house.log.told("erasure_unreadable")) == 1
    assert house.requests.pending() == [bad]
    assert house.requests.take_done(good) is not None


@pytest.mark.rule("T5.7")
def test_what_nobody_could_look_through_is_named(folder: Path) -> None:
    """Recordings that cannot be read, databases that were set aside, what this server does not
    use.
    """
    (folder / "rooms.db.corrupt-20260101T000000").write_text("x")
    (folder / "audit-people.db").write_text("x")
    house = House(folder)
    name = house.requests.put(ANN)
    house.privacy.begin()
    house.clock.advance(1)
    done = house.requests.take_done(name)
    assert done is not None
    left = "\n".join(done["left"])
    for part in ("corrupt-2026", "room_lost.json", "audit-people.db: the server as it is set"):
        assert part in left
