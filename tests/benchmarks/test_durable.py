"""What the benchmarks of the store count, and the stores that they prepare. Counts, no times."""

import json
from pathlib import Path
from typing import Any

import pytest

from actors.ids import RoomId
from actors.stores.sqlite import SqliteStore
from benchmarks.bench_churn import Churn
from benchmarks.bench_journal import UNDER_WAY_MAX, Changes, update_frame
from benchmarks.bench_restart import PLAYERS, Stored, fill, fill_journal
from benchmarks.bench_store import FIRST, PLAIN, Job, change, measured, whole_room
from benchmarks.dialects import Rooms, unmasked
from benchmarks.harness import seconds_between, started_in
from benchmarks.scrape import Commits, values_in

OK = b'[{"type":"playerUpdated","players":[]},{"type":"ok","replyTo":1,"version":2}]'
ERROR = b'{"type":"error","code":"unavailable"}'
JOINED = b'{"type":"roomGameSpaceJoined","players":[]}'
LEFT = b'{"type":"roomGameSpaceLeft"}'
NOW_MS = 1_800_000_000_000


class Peer:
    """A client without a socket: keeps what it was told to send."""

    def __init__(self, user: int) -> None:
        self.user = user
        self.room = 0
        self.on_message: Any = None
        self.sent: list[dict[str, Any]] = []

    def send(self, frame: bytes) -> None:
        self.sent.append(json.loads(unmasked(frame)))


def peers(count: int) -> list[Any]:
    """So many of them."""
    return [Peer(user) for user in range(count)]


def test_only_samples_without_labels_are_read() -> None:
    """Comments, labelled samples and empty lines say nothing."""
    text = '# HELP a Some.\n# TYPE a counter\na_total 3.0\nb{le="0.5"} 7\n\nc_sum 1e-3\n'
    assert values_in(text) == {"a_total": 3.0, "c_sum": 0.001}


def test_commits_are_what_grew_between_two_scrapes() -> None:
    """4 batches of 10 records in 2 s; a server without a store has none, and no records each."""
    names = (
        "vaultmeet_store_commit_seconds_count",
        "vaultmeet_store_records_total",
        "vaultmeet_store_commit_seconds_sum",
    )
    before = dict(zip(names, (1.0, 5.0, 0.5), strict=True))
    after = dict(zip(names, (5.0, 45.0, 0.508), strict=True))
    found = Commits.between(before, after).figures(2.0)
    assert found["commits_per_s"] == 2.0
    assert found["records_per_commit"] == 10.0
    assert found["commit_ms"] == pytest.approx(2.0)
    nothing = Commits.between({}, {}).figures(2.0)
    assert nothing["commits_per_s"] == 0.0
    assert nothing["records_per_commit"] != nothing["records_per_commit"]


def test_the_start_is_read_from_a_whole_line_of_the_log() -> None:
    """Half a line is not there yet; the time is that of the stamp."""
    line = '{"timestamp":"1970-01-01T00:00:12.345Z","event":"server_started","port":1}'
    assert started_in(line) is None
    entry = started_in(f'{{"event":"other"}}\n{line}\n')
    assert entry is not None
    assert seconds_between(12.0, entry) == pytest.approx(0.345)


def test_a_client_has_one_change_under_way_and_the_next_room_follows() -> None:
    """With more clients than may be under way, an answer lets the one that waited longest go."""
    clients = peers(UNDER_WAY_MAX + 1)
    changes = Changes(clients)
    changes.fill()
    assert changes.under_way == UNDER_WAY_MAX
    assert clients[-1].sent == []
    changes.on_message(clients[0], OK)
    assert changes.answered == len(changes.took_ns) == 1
    assert len(clients[-1].sent) == 1
    assert changes.under_way == UNDER_WAY_MAX
    changes.on_message(clients[1], ERROR)
    assert changes.refused == 1
    assert len(clients[0].sent) == 2
    changes.stop()
    changes.on_message(clients[2], OK)
    assert changes.under_way == UNDER_WAY_MAX - 1


def test_what_answers_nothing_is_no_answer() -> None:
    """An event of the room is not the `ok`, and an `ok` that nobody waits for is not counted."""
    (client,) = clients = peers(1)
    changes = Changes(clients)
    changes.on_message(client, OK)
    changes.fill()
    changes.on_message(client, b'{"type":"playerUpdated","players":[]}')
    assert changes.answered == 0
    assert changes.under_way == 1


def test_each_change_differs_from_the_one_before() -> None:
    """Else there would be nothing to store."""
    first, second = (json.loads(unmasked(update_frame(n))) for n in (1, 2))
    assert first["attributes"] != second["attributes"]
    assert first["sequenceId"] < second["sequenceId"]


def test_a_churner_goes_from_room_to_room() -> None:
    """Join, leave, the next room, around; and nothing more after the end."""
    (client,) = clients = peers(1)
    traffic = Churn(Rooms(), rooms=2)
    traffic.begin(clients)
    for answer in (JOINED, LEFT, JOINED, LEFT):
        client.on_message(client, answer)
    asked = [request.get("roomId") or request["type"] for request in client.sent]
    assert asked == ["r1", "leaveRoomGameSpace", "r0", "leaveRoomGameSpace", "r1"]
    assert (traffic.joins, traffic.leaves, traffic.refused) == (2, 2, 0)
    traffic.end()
    client.on_message(client, JOINED)
    client.on_message(client, ERROR)
    assert len(client.sent) == 5
    assert traffic.refused == 1


def test_filled_rooms_are_read_back_by_the_store(tmp_path: Path) -> None:
    """More than one batch of them, all folded: nothing waits in the journal."""
    fill(tmp_path, 501)
    store = SqliteStore(tmp_path, flush=False)
    store.open(NOW_MS)
    for number in (0, 499, 500):
        found = store.load(RoomId(f"r{number}"))
        assert found is not None
        assert found.rows == whole_room(number, PLAYERS).rows
    assert store.load(RoomId("r501")) is None
    store.close()
    assert Stored("some", tmp_path, 501).file_mib > 0
    assert Stored("none", None, 0).file_mib == 0


def test_the_journal_left_by_a_kill_is_read_back(tmp_path: Path) -> None:
    """Its changes are in the journal alone: the rows of the rooms are older."""
    draft, left = tmp_path / "draft", tmp_path / "left"
    draft.mkdir()
    fill_journal(draft, left, journal_bytes=2000)
    store = SqliteStore(left, flush=False)
    store.open(NOW_MS)
    changed, unchanged = store.load(RoomId("r0")), store.load(RoomId("r999"))
    store.close()
    assert changed is not None
    assert changed.rows.items() >= change(0, PLAYERS).rows.items()
    assert len(changed.rows) == PLAYERS
    assert unchanged == whole_room(999, PLAYERS)


@pytest.mark.parametrize("way", [FIRST, PLAIN])
def test_a_store_alone_is_measured(way: str) -> None:
    """Every way writes, and says what it took."""
    figures = measured(Job(way, records=2, window_s=0.01))
    assert figures["records_per_s"] > 0
    assert figures["mib"] > 0
    assert figures["p50_ms"] <= figures["p99_ms"] <= figures["greatest_ms"]
