"""The header that carries a token."""

import pytest

from actors.errors import Unauthenticated
from transport.bearer import token_of


@pytest.mark.rule("T1.3")
@pytest.mark.parametrize(
    "value", ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", " Bearer a.b.c "]
)
def test_the_token_of_a_right_header_is_found(value: str) -> None:
    """The scheme's case does not matter (RFC 9110, 11.1)."""
    assert token_of([value]) == "a.b.c"


@pytest.mark.rule("T1.3")
def test_no_header_is_no_token() -> None:
    """Whoever sends none may still say who he is."""
    assert token_of([]) is None


@pytest.mark.rule("T1.3")
@pytest.mark.parametrize(
    "values",
    [
        [""], ["Bearer"], ["Bearer "], ["a.b.c"], ["Basic YTpi"], ["Bearer a b"], ["Bearera.b.c"],
        ["Bearer a.b.c, Bearer d.e.f"], ["Bearer a.b.c", "Bearer a.b.c"], ["Bearer\ta.b.c"],
        ["Bearer token=a.b.c"], ["Bearer é"], ["Bearer a\0"], ["Digest Bearer a.b.c"],
        ["Bearer a.b.c", ""], ["Bearer " + "a" * 9000 + "!"],
    ],
    ids=range(16),
)  # fmt: skip
def test_a_wrong_header_is_refused_and_not_quoted(values: list[str]) -> None:
    """Another scheme, none, several: which one was meant cannot be known."""
    with pytest.raises(Unauthenticated) as refused:
        token_of(values)
    assert refused.value.message == "Authorization: expected one header, 'Bearer' and a token"
