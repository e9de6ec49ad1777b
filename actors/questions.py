"""A question about a room that is not open: what may somebody do there?

Owns that it is answered from what is kept, without a room being opened for it, and that it waits
for the store no longer than a join would.
"""

from actors import messages as m
from actors.answers import Refused
from actors.errors import Unavailable
from actors.moderation import permitted
from actors.outside import Ports
from actors.ports import Cancellable, Found
from actors.waiting import wait_s


def look_up(question: m.Check, ports: Ports) -> None:
    """Have `question` answered once: now where that is known, and by its deadline in any case."""
    waits: list[Cancellable] = []
    is_asked = True

    def answer(found: Found) -> None:
        nonlocal is_asked
        if is_asked:
            is_asked = False
            for wait in waits:
                wait.cancel()
            question.outlet.answer(permitted(question, found, ports.clock.now_ms()))

    def give_up() -> None:
        nonlocal is_asked
        is_asked = False
        refusal = Unavailable("the room took too long", retry_after_ms=1000)
        question.outlet.answer(Refused(refusal))

    found = ports.ledger.find(question.room_id, answer)
    if found is not None:
        answer(found)
    elif is_asked:
        delay_s = wait_s(question.deadline_s, ports.clock.monotonic_s())
        waits.append(ports.clock.call_later(delay_s, give_up))
