"""Starting, logging, draining and ending the server (O)."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import clients, connected, refused
from tests.acceptance.rawsocket import http, raw, raw_websocket, until_metrics
from tests.acceptance.server import (
    DEADLINE_S,
    GENEROUS,
    REPOSITORY,
    Server,
    command,
    environment,
    faults_of_log,
    running,
)


def run(*words: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        command(*words),
        cwd=REPOSITORY,
        env=environment(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


async def line(server: Server, event_has: str, **fields: Any) -> dict[str, Any]:
    """Wait for a log line whose event has this word and whose fields are these."""
    return await asyncio.to_thread(
        server.wait_for_line,
        lambda it: event_has in it["event"] and all(it.get(k) == v for k, v in fields.items()),
    )


@pytest.mark.rule("O1.2", "O1.1")
async def test_a_join_and_a_leave_are_logged_with_their_fields(room: str) -> None:
    """Who, where, as which session; how many are there then, and at which version."""
    with running(**GENEROUS) as server:
        async with connected(server) as ann:
            await ann.join(room, userId="zoë")
            who = {"roomId": room, "socketId": ann.mirror.socket_id, "userId": "zoë"}
            joined = await line(server, "joined", **who)
            assert joined["details"]["playerCount"] == 1
            assert joined["details"]["version"] == 1
            await ann.leave()
            left = await line(server, "left", **who)
            assert left["details"]["playerCount"] == 0
            assert left["details"]["version"] == 2


@pytest.mark.rule("O1.3", "O1.1")
async def test_nothing_that_clients_send_breaks_the_log(room: str) -> None:
    """Line ends, quotes, escapes and terminal codes in every place that takes text."""
    nasty = 'x"\\\n{"level":"error","event":"forged"}\r\x1b[31m\u2028\u0000'
    with running(**GENEROUS) as server:
        async with connected(server) as ann:
            refused(await ann.ask(nasty), "unsupportedType")
            refused(await ann.ask("joinRoomGameSpace", roomId=nasty), "badMessage")
            refused(await ann.ask("joinRoomGameSpace", roomId="r", userId=nasty), "badMessage")
            refused(await ann.ask("checkRoomPermission", roomId=nasty), "badMessage")
            await ann.join(room, userId='q"\\{}', attributes={nasty: nasty})
            await ann.do("sendRoomMessage", event="e" + nasty[:20], data=nasty)
            await ann.leave()
            async with raw(server) as sock:
                await sock.send(b'GET /\x1b[31m"forged HTTP/1.1\r\nHost: a"\x1b\r\n\r\n')
                await sock.ended()
        assert not faults_of_log(server)
        assert not any(it["event"] == "forged" for it in server.lines)
        assert "\x1b" not in server.log_text()


@pytest.mark.rule("O1.4", "O1.1")
async def test_the_log_names_the_port_that_was_taken(server: Server) -> None:
    """`server_started` has the port on which the server answers."""
    started = next(it for it in server.lines if it["event"] == "server_started")
    assert started["level"] == "info"
    assert (await http(server, "/healthz")).status == 200


@pytest.mark.rule("O2.1", "O2.2", "O2.4", "C3.1")
async def test_sigterm_drains(room: str) -> None:
    """Everybody is told when to come back, then closed with 1012; nobody is seen to leave."""
    with running(**GENEROUS) as server:
        async with clients(server, 20) as crowd:
            await asyncio.gather(*[client.join(room) for client in crowd[:15]])
            for client in crowd[:15]:
                await client.reach(lambda c=client: len(c.mirror.players) == 15, "all")  # type: ignore[misc]
            server.signal(signal.SIGTERM)
            waits = []
            for client in crowd:
                assert await client.link.closed() == 1012
                told = await client.saw("serverDraining")
                waits.append(told["reconnectAfterMs"])
                assert "playerLeftRoom" not in client.kinds()
                assert "playerConnectionChanged" not in client.kinds()
            assert all(isinstance(wait, int) and 0 <= wait < 30_000 for wait in waits)
            assert len(set(waits)) > 5
            assert await asyncio.to_thread(server.wait_for_exit) == 0


@pytest.mark.rule("O2.3", "H1.2", "O2.4")
async def test_a_draining_server_is_not_ready_and_does_not_wait_for_ever(room: str) -> None:
    """One client never answers its close: 503 meanwhile, and the end after `drain_s`."""
    with running(**GENEROUS, drain_s=2) as server:
        async with raw_websocket(server) as stubborn:
            await stubborn.send_objects({"type": "joinRoomGameSpace", "roomId": room})
            await stubborn.next_object("roomGameSpaceJoined")
            server.signal(signal.SIGTERM)
            await stubborn.next_object("serverDraining")
            assert (await http(server, "/readyz")).status == 503
            assert (await http(server, "/healthz")).status == 200
            async with raw(server) as late:
                assert (await late.handshake()).status == 503
            assert await asyncio.to_thread(server.wait_for_exit) == 0


@pytest.mark.rule("O2.5")
async def test_a_second_sigterm_exits_at_once(room: str) -> None:
    """While it waits for somebody who never answers: exit code 1, long before `drain_s`."""
    with running(**GENEROUS, drain_s=300, clean_end=False) as server:
        async with raw_websocket(server) as stubborn:
            await stubborn.send_objects({"type": "joinRoomGameSpace", "roomId": room})
            await stubborn.next_object("roomGameSpaceJoined")
            server.signal(signal.SIGTERM)
            await stubborn.next_object("serverDraining")
            server.signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait_for_exit) == 1


@pytest.mark.rule("O2.4")
async def test_an_idle_server_exits_with_zero() -> None:
    """Nobody is connected; SIGTERM and SIGINT both end it cleanly."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with running() as server:
            server.signal(number)
            assert await asyncio.to_thread(server.wait_for_exit) == 0


@pytest.mark.rule("O3.1")
async def test_a_flag_wins_over_the_environment_over_the_file(tmp_path: Path) -> None:
    """Three limits set in all ways; each source wins over those below it."""
    file = tmp_path / "vaultmeet.toml"
    file.write_text("players_max = 3\ntick_ms = 31\njoins_burst = 33\njoins_per_s = 1\n")
    variables = {"VAULTMEET_TICK_MS": "32", "VAULTMEET_JOINS_BURST": "34"}
    with running(config=file, variables=variables, joins_burst=35) as server:
        async with connected(server) as ann:
            metadata = (await ann.join("hall"))["metadata"]
            assert (metadata["maxPlayers"], metadata["tickMs"]) == (3, 32)
            assert ann.link.objects[0]["limits"]["joinsBurst"] == 35


@pytest.mark.rule("O3.2", "O3.3")
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--players-max", "none"], "players"),
        (["--players-max", "-1"], "players"),
        (["--tick-ms", "-1"], "tick"),
        (["--no-such-setting", "1"], "no-such-setting"),
        (["--config", "/nonexistent/vaultmeet.toml"], "vaultmeet.toml"),
        (["--tls-cert-file", "/nonexistent.pem"], "tls"),
        (["--host", "0.0.0.0"], "anonymous"),  # noqa: S104  # it must refuse to
    ],
)
def test_a_wrong_setting_is_named_and_nothing_starts(words: list[str], named: str) -> None:
    """A message on standard error that names it, an exit code that is not 0, no traceback."""
    ended = run("serve", "--port", "0", *words)
    assert ended.returncode not in (0, -6, -11)
    assert named in ended.stderr.lower()
    assert "Traceback" not in ended.stderr
    assert "server_started" not in ended.stdout


@pytest.mark.rule("O3.2")
def test_a_port_that_is_taken_is_named(server: Server, tmp_path: Path) -> None:
    """Two servers on one port: the second says so and ends."""
    ended = run("serve", "--port", str(server.port), "--data-dir", str(tmp_path))
    assert ended.returncode not in (0, -6, -11)
    assert str(server.port) in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr


@pytest.mark.rule("O3.2")
def test_the_configuration_can_be_checked_without_starting(tmp_path: Path) -> None:
    """`check-config` passes a right one and names what is wrong in another."""
    file = tmp_path / "vaultmeet.toml"
    file.write_text("players_max = 10\n")
    assert run("check-config", "--config", str(file)).returncode == 0
    file.write_text("players_max = 'many'\nresume_grace = 3\n")
    wrong = run("check-config", "--config", str(file))
    assert wrong.returncode not in (0, -6, -11)
    assert "players_max" in wrong.stderr + wrong.stdout
    assert "resume_grace" in wrong.stderr + wrong.stdout


@pytest.mark.rule("O1.1", "C4.9")
async def test_a_server_that_has_been_used_hard_ends_clean(room: str) -> None:
    """Losses, leaves, grace and idle rooms within a second; nothing stays, the log has no fault."""
    with running(**GENEROUS, resume_grace_s=0.1, room_idle_s=0.1, self_check_s=0.05) as server:
        async with clients(server, 20) as crowd:
            await asyncio.gather(
                *[client.join(f"{room}-{n % 4}") for n, client in enumerate(crowd)]
            )
            await asyncio.gather(*[client.lose() for client in crowd[::2]])
            await until_metrics(server, lambda m: m["vaultmeet_players"] == 10)
        await until_metrics(
            server,
            lambda m: (
                m["vaultmeet_connections"] == m["vaultmeet_players"] == m["vaultmeet_rooms"] == 0
            ),
        )


@pytest.mark.rule("O3.3")
async def test_told_so_the_server_listens_for_everybody() -> None:
    """With `--allow-anonymous` it listens on all addresses, loopback among them."""
    with running(host="0.0.0.0", allow_anonymous=True) as server:  # noqa: S104  # on purpose
        assert (await http(server, "/readyz")).status == 200
