"""The memory of numbered requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import BadMessage, StaleSequence
from transport import wire
from transport.sequences import REPEAT, SILENT, Failed, Finished, Outcome, SequenceMemory


def settled(*numbers: int) -> SequenceMemory:
    """A memory in which each number is finished, at a version of its own."""
    memory = SequenceMemory()
    for number in numbers:
        memory.settle(number, Finished(number))
    return memory


@pytest.mark.rule("C3.2", "C3.7")
def test_a_new_number_is_unknown_and_a_copy_is_what_became_of_it() -> None:
    """By whatever step they rise."""
    memory = settled(1, 2, 1000, 2**53 - 1)
    assert memory.recall(1) == Finished(1)
    assert memory.recall(1000) == Finished(1000)
    assert settled(1, 2).recall(3) is None
    assert SequenceMemory().recall(1) is None


@pytest.mark.rule("C3.5", "C3.6")
def test_the_last_256_are_remembered_and_the_one_before_is_stale() -> None:
    """The refusal says what would be new."""
    memory = settled(*range(1, 257))
    assert memory.recall(1) == Finished(1)
    memory.settle(257, SILENT)
    assert memory.recall(2) == Finished(2)
    with pytest.raises(StaleSequence, match="more than 257"):
        memory.recall(1)


@pytest.mark.rule("C3.4")
def test_a_refusal_is_remembered_without_the_calls_that_it_came_through() -> None:
    """Their frames hold the request and the connection, for as long as the refusal is held."""
    with pytest.raises(BadMessage) as raised:
        wire.decode(b"{]")
    assert raised.value.__traceback__ is not None
    assert raised.value.__context__ is not None
    kept = Failed(raised.value).refusal
    assert kept.message == "expected a JSON object"
    assert (kept.__traceback__, kept.__context__, kept.__cause__) == (None, None, None)


@pytest.mark.rule("C3.6")
def test_a_lower_number_that_never_came_is_stale() -> None:
    """It was left out, or the client began to count anew."""
    memory = settled(5, 9)
    for number in (1, 4, 6, 8):
        with pytest.raises(StaleSequence):
            memory.recall(number)


@pytest.mark.rule("C3.10")
def test_an_outcome_is_replaced_by_a_newer_one() -> None:
    """A request is first under way and then done; it does not get younger by that."""
    memory = SequenceMemory()
    for number in range(1, 257):
        memory.settle(number, REPEAT)
    memory.settle(1, Finished(9))
    assert memory.recall(1) == Finished(9)
    memory.settle(257, REPEAT)
    with pytest.raises(StaleSequence):
        memory.recall(1)


def test_the_outcome_of_a_forgotten_number_is_not_remembered_again() -> None:
    """It would push out a newer one, out of its order."""
    memory = settled(*range(10, 300))
    memory.settle(3, Finished(3))
    with pytest.raises(StaleSequence):
        memory.recall(3)
    assert memory.recall(299) == Finished(299)


@given(st.lists(st.integers(1, 600), max_size=700))
def test_whatever_comes_the_newest_256_that_came_are_known(numbers: list[int]) -> None:
    """Against a list that forgets nothing."""
    memory = SequenceMemory()
    taken: dict[int, Outcome] = {}
    for number in numbers:
        remembered = sorted(taken)[-256:]
        if number in remembered:
            assert memory.recall(number) == taken[number]
        elif taken and number <= max(taken):
            with pytest.raises(StaleSequence):
                memory.recall(number)
        else:
            assert memory.recall(number) is None
            taken[number] = Finished(len(taken))
            memory.settle(number, taken[number])
