"""The command `vaultmeet token`: a token for development, on standard output and nothing else.

Owns its arguments and what goes into the token. Takes key, audience and issuer from the settings
of a server where they are not given, so that the two agree. For production there is whoever knows
the users: this server never mints.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.ids import NAME_EXPECTED, parse_name
from actors.permissions import Grants
from actors.settings import Settings

if TYPE_CHECKING:
    from transport.command_audit import CommandAudit

ABOUT: Final = "print a token for development, signed as a server in jwt mode wants it"
TTL_S_MAX: Final = 365 * 86_400
_ROOMS_CHARS_MAX: Final = 2_000
"""So much of the rights that it gives is told to the audit."""


class TokenRefused(Exception):
    """No token is made; the text says why."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Of the command, all but the settings."""
    command.add_argument("--sub", required=True, metavar="USER", help="whose: the userId")
    command.add_argument("--rooms", metavar="JSON", help="the claim rooms: rights by room")
    command.add_argument(
        "--ttl-s", type=int, default=3600, metavar="SECONDS", help="how long it is good (3600)"
    )
    command.add_argument(
        "--key-file", metavar="FILE", help="secret, or private key (PEM); else jwt_secret_file"
    )
    command.add_argument("--kid", metavar="NAME", help="which key of a JWKS it is")
    command.add_argument("--aud", metavar="TEXT", help="its audience; else jwt_audience")
    command.add_argument("--iss", metavar="TEXT", help="its issuer; else jwt_issuer")
    command.add_argument("--config", metavar="FILE", help="TOML file with settings")


def token(
    chosen: argparse.Namespace, settings: Settings, now_ms: int, audit: "CommandAudit"
) -> str:
    """A token. `audit` has it before where the key is that of the settings' server. Raises
    TokenRefused and NotRecorded.
    """
    from transport.auth import mint  # noqa: PLC0415  # cryptography, which takes a moment

    path = chosen.key_file or settings.jwt_secret_file
    if not path:
        raise TokenRefused("--key-file: expected one, as jwt_secret_file is not set either")
    try:
        minted = mint(Path(path).read_bytes(), _claims(chosen, settings, now_ms), chosen.kid)
    except OSError as error:
        raise TokenRefused(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise TokenRefused(f"{path}: {error}") from None
    if not chosen.key_file:
        rooms = {} if chosen.rooms is None else {"rooms": chosen.rooms[:_ROOMS_CHARS_MAX]}
        audit.record("token", {"ttlS": chosen.ttl_s}, person=chosen.sub, personal=rooms)
    return minted


def _claims(chosen: argparse.Namespace, settings: Settings, now_ms: int) -> dict[str, object]:
    if parse_name(chosen.sub) is None:
        raise TokenRefused(f"--sub: expected {NAME_EXPECTED}")
    if not 0 < chosen.ttl_s <= TTL_S_MAX:
        raise TokenRefused(f"--ttl-s: expected 1 to {TTL_S_MAX} seconds")
    issued_s = now_ms // 1000
    claims: dict[str, object] = {
        "sub": chosen.sub, "iat": issued_s, "exp": issued_s + chosen.ttl_s,
    }  # fmt: skip
    if chosen.rooms is not None:
        try:
            claims["rooms"] = json.loads(chosen.rooms)
            Grants.of_claim(claims["rooms"])
        except RecursionError:
            raise TokenRefused("--rooms: expected a map of lists, and nothing deeper") from None
        except ValueError as error:
            raise TokenRefused(f"--rooms: {error}") from None
    audience, issuer = chosen.aud or settings.jwt_audience, chosen.iss or settings.jwt_issuer
    return claims | ({"aud": audience} if audience else {}) | ({"iss": issuer} if issuer else {})
