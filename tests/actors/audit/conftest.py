"""What the tests of the audit share: each closes the tables of people that it opened.

A database that is left to the collector is a fault from Python 3.13 on, of whichever test is
running then.
"""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actors.audit.people import SqlitePeople


@pytest.fixture(autouse=True)
def tables_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Also those of a test that opens hundreds. A thread closes its own."""
    home = threading.get_ident()
    opened: list[SqlitePeople] = []
    begin = SqlitePeople.__init__

    def noted(self: SqlitePeople, *arguments: Any) -> None:
        begin(self, *arguments)
        if threading.get_ident() == home:
            opened.append(self)

    monkeypatch.setattr(SqlitePeople, "__init__", noted)
    yield
    for people in opened:
        people.close()
