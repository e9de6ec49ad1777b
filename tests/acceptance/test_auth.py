"""A server that must know its users (T1): tokens by message and by header, their end, its keys.

Tokens are signed by the test's own code, and by the command that mints them.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.acceptance.client import Client, changes_of, connected, expect, refused, resume_of
from tests.acceptance.server import GENEROUS, Server, command, environment, running, wait_until
from tests.transport import minted

LATER: Final[dict[str, Any]] = {"auth_timeout_s": 60}
"""So that a busy machine turns nobody away who is about to authenticate."""


def secret_file(folder: Path) -> Path:
    """The secret, for its owner alone."""
    path = folder / "secret"
    path.touch(0o600)
    path.write_bytes(minted.SECRET + b"\n")
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that says in its log all that it can; no secret may be in that."""
    secret = secret_file(tmp_path_factory.mktemp("keys"))
    settings = {**GENEROUS, **LATER, "auth": "jwt", "jwt_secret_file": secret}
    with running(**settings, log_level="debug") as started:
        started.secrets.add(minted.SECRET.decode())
        yield started


def token(server: Server, user: str = "ann", life_s: float = 600, **claims: Any) -> str:
    """One that begins now, and that must not be in the server's log."""
    now_s = time.time()
    full = {"sub": user, "iat": now_s - 1, "exp": now_s + life_s, **claims}
    made = minted.hs256({name: value for name, value in full.items() if value is not None})
    server.secrets.update(made.split(".")[1:])
    return made


def bearer(value: str) -> dict[str, Any]:
    """Options of a connection with that token in its handshake."""
    return {"additional_headers": {"Authorization": f"Bearer {value}"}}


async def status_of(server: Server, **options: Any) -> int:
    """What a handshake is answered with that opens nothing."""
    with pytest.raises(InvalidStatus) as answered:
        async with connect(server.url, proxy=None, **options):
            pass
    assert answered.value.response.headers.get("WWW-Authenticate", "Bearer").startswith("Bearer")
    return answered.value.response.status_code


async def admitted(server: Server, value: str) -> bool:
    """Whether the token is taken, by header and by message alike."""
    async with connected(server) as client:
        by_message = (await client.ask("authenticate", token=value))["type"] == "authenticated"
    if not by_message:
        assert await status_of(server, **bearer(value)) == 401
        return False
    async with connected(server, **bearer(value)):
        return True


# -- saying who one is


@pytest.mark.rule("T1.1", "T1.2")
async def test_who_says_who_he_is_may_join_and_nobody_before(server: Server, room: str) -> None:
    """The connection lives on, and the user is the token's."""
    async with connected(server, "ann") as ann:
        assert ann.link.objects[0]["auth"] == "jwt"
        refused(await ann.ask("joinRoomGameSpace", roomId=room, userId="ann"), "unauthenticated")
        refused(await ann.ask("checkRoomPermission", roomId=room), "unauthenticated")
        refused(await ann.ask("move", x=1, y=1), "unauthenticated")
        await ann.ping()
        told = expect(await ann.ask("authenticate", token=token(server)), "authenticated")
        assert told["userId"] == "ann"
        assert told["expiresAt"].endswith("Z")
        await ann.join(room)
        assert ann.mirror.own["userId"] == "ann"


@pytest.mark.rule("T1.3", "T1.10")
async def test_a_header_says_it_as_well(server: Server, room: str) -> None:
    """A join that names another user is forbidden, before and after."""
    async with connected(server, "zoë", **bearer(token(server, "zoë"))) as zoe:
        refused(await zoe.ask("joinRoomGameSpace", roomId=room, userId="ann"), "forbidden")
        await zoe.join(room, userId="zoë")
        refused(await zoe.ask("joinRoomGameSpace", roomId=room, userId="ann"), "forbidden")
        assert [player["userId"] for player in zoe.mirror.players.values()] == ["zoë"]


ATTACKS: Final[dict[str, Callable[[Server], str]]] = {
    "no signature": lambda s: minted.token({"alg": "none"}, minted.good(), lambda data: b""),
    "another secret": lambda s: minted.hs256(secret=b"another secret of 32 bytes and so on"),
    "expired": lambda s: token(s, life_s=-5),
    "not yet valid": lambda s: token(s, nbf=time.time() + 60),
    "no end": lambda s: token(s, exp=None),
    "no user": lambda s: token(s, sub=None),
    "an endless number": lambda s: token(s, exp=10**300),
    "a kid with a path": lambda s: minted.hs256({}, kid="../../dev/null\0"),
    "its own key": lambda s: minted.eddsa(number=9, jwk=minted.ed_jwk(9)),
    "critical": lambda s: minted.hs256(crit=["exp"]),
    "for others": lambda s: token(s, aud="shop"),
    "an array": lambda s: minted.hs256(b"[]"),
    "two users": lambda s: minted.hs256(b'{"sub":"ann","sub":"bob","exp":9999999999}'),
    "numbers": lambda s: minted.hs256(b'{"sub":"ann","exp":' + b"9" * 5000 + b"}"),
    "nonsense": lambda s: "a.b.c",
}


@pytest.mark.rule("T1.5", "T1.6", "T1.7", "T1.8", "T1.9")
@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_bad_token_is_refused_and_others_go_on(server: Server, attack: str) -> None:
    """By message and by header; a good one is taken after it."""
    assert not await admitted(server, ATTACKS[attack](server))
    assert await admitted(server, token(server))


@pytest.mark.rule("T1.7")
async def test_huge_tokens_are_refused(server: Server) -> None:
    """As a field, and as a header."""
    async with connected(server) as client:
        refused(await client.ask("authenticate", token="x" * 8193), "badMessage")
        answer = await client.ask("authenticate", token=token(server, x="y" * 5800))
        expect(answer, "authenticated")
    assert await status_of(server, **bearer("x" * 9000)) == 431


@pytest.mark.rule("T1.3")
async def test_several_headers_are_refused(server: Server) -> None:
    """Which one was meant cannot be known; another scheme is none of ours."""
    good = f"Bearer {token(server)}"
    for values in ([good, good], ["Basic YTpi"], [""], [f"{good}, {good}"]):
        headers = [("Authorization", value) for value in values]
        assert await status_of(server, additional_headers=headers) == 401


@pytest.mark.rule("T1.4")
async def test_a_token_in_the_url_says_nothing(server: Server, room: str) -> None:
    """The fixture looks for it in the log."""
    value = token(server)
    async with connect(f"{server.url}?token={value}", proxy=None) as socket:
        assert json.loads(await socket.recv())["type"] == "welcome"
        await socket.send(json.dumps({"type": "joinRoomGameSpace", "roomId": room}))
        assert json.loads(await socket.recv())["code"] == "unauthenticated"


# -- saying it again, and another's things


@pytest.mark.rule("T1.12")
async def test_a_token_is_renewed_by_its_own_user_alone(server: Server, room: str) -> None:
    """The seat stays, whoever tries what."""
    async with connected(server, "ann", **bearer(token(server))) as ann:
        await ann.join(room)
        refused(await ann.ask("authenticate", token=token(server, "bob")), "forbidden")
        refused(await ann.ask("authenticate", token=token(server, life_s=-1)), "unauthenticated")
        expect(await ann.ask("authenticate", token=token(server)), "authenticated")
        await ann.do("ready")


@pytest.mark.rule("T1.11")
async def test_a_stolen_resume_token_seats_nobody(server: Server, room: str) -> None:
    """Its owner notices nothing, and comes back with it."""
    async with connected(server, "ann", **bearer(token(server))) as ann:
        seat = await ann.join(room)
        async with connected(server, "eve", **bearer(token(server, "eve"))) as eve:
            stolen = resume_of(seat)
            refused(await eve.ask(stolen.pop("type"), **stolen), "resumeExpired")
        await ann.do("ready")
        await ann.lose()
        await ann.open(**bearer(token(server)))
        expect(await ann.resume(roomId=room), "roomGameSpaceResumed")


# -- the end


@pytest.mark.rule("T1.13", "T1.14")
async def test_a_token_that_ends_closes_with_4401_and_a_fresh_one_comes_back(
    server: Server, room: str
) -> None:
    """Told before; the others see a loss and a return, and nobody leave."""
    async with (
        connected(server, "bob", **bearer(token(server, "bob"))) as bob,
        connected(server, "ann", **bearer(token(server, "ann", 4))) as ann,
    ):
        await bob.join(room)
        await ann.join(room)
        name = ann.mirror.socket_id
        await ann.saw("tokenExpiring")
        assert await ann.link.closed() == 4401
        await bob.reach(lambda: not bob.mirror.players[name]["connected"], "the loss")
        await ann.open(**bearer(token(server)))
        expect(await ann.resume(roomId=room), "roomGameSpaceResumed")
        await bob.reach(lambda: bob.mirror.players[name]["connected"], "the return")
        assert changes_of(bob, name) == [
            "JoinedRoom",
            "ConnectionChanged False",
            "ConnectionChanged True",
        ]


@pytest.mark.rule("T1.15", "T1.16")
async def test_strangers_are_few_and_are_turned_away(tmp_path: Path) -> None:
    """503 beyond the bound; 4401 for who says nothing, and for who says too much."""
    secret = secret_file(tmp_path)
    settings: dict[str, Any] = {"auth": "jwt", "jwt_secret_file": secret, "unauthenticated_max": 1}
    with running(**GENEROUS, **settings, auth_timeout_s=2) as server:
        silent = Client(server, "silent")
        await silent.open()
        assert await status_of(server) == 503
        async with connected(server, **bearer(token(server))):
            assert await silent.link.closed() == 4401
    with running(**GENEROUS, **settings, **LATER) as server:
        loud = Client(server, "loud")
        await loud.open()
        for _ in range(17):
            await loud.send({"type": "ping"})
        assert await loud.link.closed() == 4401


# -- keys


@pytest.mark.rule("T1.5", "T1.6", "T1.17")
async def test_a_file_of_keys_is_read_again_as_it_changes(tmp_path: Path) -> None:
    """Another key, a broken file, a whole one again, and SIGHUP."""
    path = tmp_path / "keys.json"

    def hold(content: bytes) -> None:
        draft = tmp_path / "draft"
        draft.write_bytes(content)
        draft.replace(path)

    def lived(**claims: Any) -> dict[str, Any]:
        return {"sub": "ann", "exp": time.time() + 600, **claims}

    hold(minted.jwks(minted.ed_jwk(1, kid="one"), minted.ec_jwk(kid="two")))
    settings: dict[str, Any] = {"auth": "jwt", "jwt_public_key_file": path, "jwt_audience": "rooms"}
    with running(**GENEROUS, **LATER, **settings, errors_expected=True) as server:
        one = minted.eddsa(lived(aud="rooms"), 1, kid="one")
        two = minted.es256(lived(aud=["x", "rooms"]), kid="two")
        three = minted.rs256(lived(aud="rooms"), kid="three")
        assert [await admitted(server, each) for each in (one, two, three)] == [True, True, False]
        assert not await admitted(server, minted.es256(lived(aud="rooms2"), kid="two"))
        hold(minted.pem(minted.rsa_key()))
        assert [await admitted(server, each) for each in (one, two, three)] == [False, False, True]
        hold(b"broken")
        assert [await admitted(server, three) for _ in range(3)] == [True] * 3
        failed = server.wait_for_line(lambda line: line["event"] == "auth_keys_not_reloaded")
        assert failed["level"] == "error"
        since = len(server.lines)
        hold(minted.jwks(minted.ed_jwk(1)))
        server.signal(signal.SIGHUP)
        wait_until(
            lambda: any(line["event"] == "auth_keys_reloaded" for line in server.lines[since:]),
            "the keys read on SIGHUP",
        )
        assert [await admitted(server, each) for each in (one, three)] == [True, False]
        assert server.log_text().count('"auth_keys_not_reloaded"') == 1


def started(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A server that must not start."""
    return subprocess.run(
        command("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *words),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.rule("T1.18")
@pytest.mark.parametrize(
    ("setting", "content", "why"),
    [
        ("--jwt-secret-file", b"short\n", "expected a secret of at least 32 bytes"),
        ("--jwt-public-key-file", b"nonsense", "expected one public key (PEM)"),
        ("--jwt-public-key-file", b'{"keys":[]}', "keys: expected 1 to 64 keys"),
    ],
)
def test_a_server_without_usable_keys_does_not_start(
    tmp_path: Path, setting: str, content: bytes, why: str
) -> None:
    """Exit code 1, the file and the reason on standard error."""
    path = tmp_path / "keys"
    path.write_bytes(content)
    ended = started(tmp_path, "--auth", "jwt", setting, str(path))
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"vaultmeet: {path}: {why}")
    assert not (tmp_path / "data").exists()


@pytest.mark.rule("T1.18")
async def test_a_secret_that_others_can_read_is_told_of(tmp_path: Path) -> None:
    """A warning, and the server starts."""
    path = secret_file(tmp_path)
    path.chmod(0o644)
    with running(auth="jwt", jwt_secret_file=path) as server:
        (line,) = [line for line in server.lines if line["event"] == "auth_secret_readable"]
        assert line["level"] == "warn"
        assert line["details"] == {"file": str(path)}


@pytest.mark.rule("T1.19", "T1.2")
async def test_the_command_mints_what_the_server_takes(tmp_path: Path) -> None:
    """With the settings of the server, and with nothing but a private key."""
    secret = secret_file(tmp_path)
    config = tmp_path / "server.toml"
    config.write_text(
        f'auth = "jwt"\njwt_secret_file = "{secret}"\njwt_audience = "a"\njwt_issuer = "i"\n'
    )

    def mint(*words: str) -> str:
        ended = subprocess.run(
            command("token", *words), env=environment(), capture_output=True, text=True, check=True
        )
        assert ended.stderr == ""
        (line,) = ended.stdout.splitlines()
        return line

    with running(**GENEROUS, **LATER, arguments=("--config", str(config))) as server:
        assert await admitted(server, mint("--sub", "ann", "--config", str(config)))
        wrong = mint("--sub", "ann", "--config", str(config), "--aud", "other")
        assert not await admitted(server, wrong)
    key, public = tmp_path / "key.pem", tmp_path / "public.pem"
    key.write_bytes(minted.private_pem(minted.ec_key()))
    public.write_bytes(minted.pem(minted.ec_key()))
    with running(**GENEROUS, **LATER, auth="jwt", jwt_public_key_file=public) as server:
        value = mint("--sub", "zoë", "--key-file", str(key), "--ttl-s", "60", "--rooms", "{}")
        async with connected(server) as client:
            told = expect(await client.ask("authenticate", token=value), "authenticated")
            assert told["userId"] == "zoë"
