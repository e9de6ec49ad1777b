"""The fuzzer itself, on a target with a few words and one bug."""

from collections.abc import Iterable
from pathlib import Path
from random import Random

from tests.fuzz import corpus, documents, frames
from tests.fuzz.engine import Behaviours, Campaign, Kept, distilled, shrunk
from tests.fuzz.frames import Piece, taken_apart
from tests.fuzz.mutation import SIZE_MAX, mutated
from tests.fuzz.reference import End, outcome_of
from tests.fuzz.tracing import Traced

TOKENS = (b"open", b"sesame")


class Cave:
    """Shows the bytes it knows; breaks at two words that only the tokens can give."""

    name = "cave"

    def seeds(self) -> Iterable[bytes]:
        return (b"o", b"s")

    def mutate(self, rng: Random, data: bytes, other: bytes) -> bytes:
        return mutated(rng, data, other, TOKENS)

    def fixed(self, data: bytes) -> int:
        return 0

    def run(self, data: bytes) -> Behaviours:
        words = frozenset(word.decode() for word in TOKENS if word in data)
        assert len(words) < 2, f"both words: {data!r}"
        return words | {f"~{byte}" for byte in data if byte < 8}


def test_a_bug_behind_two_steps_is_found_and_shrunk() -> None:
    """Each step is new behaviour, so that the second one begins where the first one ended."""
    campaign = Campaign(Cave(), Random(7))
    campaign.begin([])
    campaign.search(20_000)
    (failure,) = campaign.failures.values()
    assert sorted(failure.data) == sorted(b"opensesame")
    assert failure.what == "AssertionError in Cave.run both words"
    assert 0 < failure.found_at < 20_000
    assert {"open", "sesame"} <= campaign.known


def test_the_same_seed_tries_the_same_inputs() -> None:
    """A failure can be had again."""
    found = []
    for _ in range(2):
        campaign = Campaign(Cave(), Random(8))
        campaign.begin([b"open"])
        campaign.search(3000)
        found.append((campaign.kept, campaign.failures))
    assert found[0] == found[1]


def test_what_is_kept_is_as_little_as_shows_all() -> None:
    """In an order of its own."""
    inputs = [b"open!", b"open", b"\x01open", b"\x01", b"sesame", b"nothing"]
    kept = distilled(Cave(), inputs)
    assert [each.data for each in kept] == [b"\x01", b"open", b"sesame"]
    assert kept == distilled(Cave(), reversed(inputs))


def test_an_input_is_shrunk_as_far_as_its_condition_holds() -> None:
    """And not at all where nothing can go."""
    assert shrunk(b"a" * 100 + b"XY" + b"b" * 77, lambda less: b"XY" in less) == b"XY"
    assert shrunk(b"abc", lambda less: False) == b"abc"
    assert shrunk(b"", lambda less: True) == b""


def test_mutations_stay_within_their_size_and_reach_everything() -> None:
    """Every byte may come up, from nothing, too."""
    rng = Random(9)
    made = [mutated(rng, b"", b"", TOKENS) for _ in range(500)]
    made += [mutated(rng, bytes(SIZE_MAX), b"12", TOKENS) for _ in range(500)]
    assert max(map(len, made)) <= SIZE_MAX
    assert len({byte for each in made for byte in each}) > 100


def test_documents_that_are_changed_stay_documents_or_are_left_alone() -> None:
    """What is no object is somebody else's to change."""
    rng = Random(10)
    assert documents.changed(rng, b"[1]", b"{}") is None
    assert documents.changed(rng, b"{", b"{}") is None
    made = {documents.changed(rng, b'{"type":"ready","a":{"b":1}}', b'{"c":2}') for _ in range(200)}
    assert None not in made
    assert len(made) > 50


def test_frames_survive_being_taken_apart() -> None:
    """Also where they are wrong, and with a mask; what is cut short keeps what it said."""
    pieces = [
        Piece(0x81, b"text", b"\x01\x02\x03\x04"),
        Piece(0x8A, b"", None),
        Piece(0xF3, b"x" * 200, b"\xff\x00\xff\x00", form=2),
        Piece(0x00, b"y", form=8),
        Piece(0x81, b"cut", size=50),
    ]
    stream = b"".join(piece.encoded() for piece in pieces)
    assert taken_apart(stream) == pieces
    made = {frames.changed(Random(seed), stream, stream) for seed in range(200)}
    assert len(made) > 150


def test_the_reference_tells_where_a_stream_ends() -> None:
    """One stream for each end."""
    ends = {
        b"": End.BETWEEN,
        b"\x81": End.IN_FRAME,
        Piece(0x01, b"a").encoded(): End.IN_MESSAGE,
        Piece(0x82, b"a").encoded(): End.PARTING,
        Piece(0x88, b"").encoded(): End.OVER,
        Piece(0x81, b"a", None).encoded(): End.OVER,
    }
    assert {stream: outcome_of(stream, 256).end for stream in ends} == ends


def test_a_corpus_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Without what only steers, and any byte among the others."""
    cave = Cave()
    data = bytes(range(256))
    assert corpus.write(cave, [Kept(data, frozenset({"b", "a", "~1"}))], tmp_path) == 1
    assert corpus.read(cave, tmp_path) == [Kept(data, frozenset({"a", "b"}))]
    assert corpus.read(corpus.TARGETS["decoder"], tmp_path) == []


def test_lines_are_behaviour_where_they_are_traced() -> None:
    """Two inputs that differ in nothing else differ in the lines that they reach."""
    traced = Traced(corpus.TARGETS["decoder"])
    one, other = traced.run(b'{"type":"move","x":1,"y":2}'), traced.run(b'{"type":"ready"}')
    assert any("wire.py" in each for each in one - other)
    assert not any("wire.py" in each for each in corpus.TARGETS["decoder"].run(b"{}"))
