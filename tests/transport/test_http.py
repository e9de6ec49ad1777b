"""Plain HTTP answers: paths, methods, readiness."""

import json

import pytest

from transport.http import HttpResponse, Readiness, respond


def ask(method: str, path: str, *, ready: bool = True) -> HttpResponse:
    """The answer of a server whose metrics are one line."""
    return respond(
        method,
        path,
        Readiness(draining=not ready),
        lambda: (b"up 1\n", "text/plain; version=0.0.4"),
    )


@pytest.mark.rule("H1.1")
def test_healthz_is_200_while_the_process_lives() -> None:
    """Also while it drains: a supervisor must not kill it for that."""
    for ready in (True, False):
        answer = ask("GET", "/healthz", ready=ready)
        assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})


@pytest.mark.rule("H1.2")
def test_readyz_is_200_while_joins_are_taken_and_503_while_draining() -> None:
    """What a load balancer goes by."""
    ready, draining = ask("GET", "/readyz"), ask("GET", "/readyz", ready=False)
    assert (ready.status, json.loads(ready.body)) == (200, {"status": "ready"})
    assert (draining.status, json.loads(draining.body)) == (503, {"status": "draining"})


@pytest.mark.rule("P1.4", "P2.4")
@pytest.mark.parametrize(
    ("readiness", "status", "said"),
    [
        (Readiness(store="stalled"), 200, {"status": "ready", "store": "stalled"}),
        (Readiness(store_needed=True), 200, {"status": "ready"}),
        (
            Readiness(store="failing", store_needed=True),
            503,
            {"status": "unavailable", "store": "failing"},
        ),
        (
            Readiness(draining=True, store="failing"),
            503,
            {"status": "draining", "store": "failing"},
        ),
    ],
)
def test_readyz_says_what_is_the_matter_with_the_store(
    readiness: Readiness, status: int, said: dict[str, str]
) -> None:
    """It is 503 only where joins wait for the disk."""
    answer = respond("GET", "/readyz", readiness, lambda: (b"", ""))
    assert (answer.status, json.loads(answer.body)) == (status, said)


def test_metrics_are_given_as_they_come() -> None:
    """Body and content type are the metrics' own."""
    answer = ask("GET", "/metrics")
    assert answer.status == 200
    assert (answer.body, answer.content_type) == (b"up 1\n", "text/plain; version=0.0.4")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/nothing"])
def test_metrics_are_made_only_when_asked_for(path: str) -> None:
    """A scrape costs; a health check does not."""

    def never() -> tuple[bytes, str]:
        raise AssertionError(path)

    assert respond("GET", path, Readiness(), never).body


@pytest.mark.parametrize(
    "path",
    ["/", "", "/ws", "/healthz/", "/HEALTHZ", "//healthz", "/metrics/x", "*", "/\x00", "?/healthz"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_any_other_path_is_404(method: str, path: str) -> None:
    """Paths are compared exactly, and what they say is not sent back."""
    answer = ask(method, path)
    assert answer.status == 404
    assert answer.body in {b"", b'{"error":"not found"}\n'}


@pytest.mark.parametrize("path", ["/healthz?", "/healthz?a=/metrics", "/healthz?a?b"])
def test_the_query_string_is_ignored(path: str) -> None:
    """Some probes add one against caches."""
    assert json.loads(ask("GET", path).body) == {"status": "ok"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nothing"])
def test_head_has_the_headers_of_get_and_no_body(path: str) -> None:
    """RFC 9110, section 9.3.2."""
    get, head = ask("GET", path), ask("HEAD", path)
    assert head.body == b""
    assert get.body
    assert head.all_headers() == get.all_headers()
    assert dict(head.all_headers())["Content-Length"] == str(len(get.body))


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", ""])
def test_other_methods_are_405_and_told_which_are_allowed(method: str, path: str) -> None:
    """RFC 9110, section 15.5.6: the answer must carry Allow. Methods are case-sensitive."""
    answer = ask(method, path)
    assert answer.status == 405
    assert dict(answer.all_headers())["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/healthz"), ("GET", "/metrics"), ("GET", "/nothing"), ("POST", "/metrics")],
)
def test_every_answer_forbids_sniffing_and_caching(method: str, path: str) -> None:
    """Whatever the answer is."""
    headers = dict(ask(method, path).all_headers())
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Type"]
