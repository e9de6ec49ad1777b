"""A token (JWT, RFC 7519) to an identity. PURE but for PyJWT: keys and time are arguments.

Owns what a valid token is. The key comes from configuration and decides the algorithm; of the
token's header only `kid` is believed, as the name of one of our keys (RFC 8725, 3.10: no `jku`,
`x5u`, `jwk`). PyJWT checks signatures; claims are checked here, since it reads a clock of its own.
What is said in a refusal names the claim and never quotes the token.

A token costs 27 µs (HS256) to 84 (EdDSA), so whoever may call this is bounded: handshakes by
`connections_max` and the like, sessions by authentication.py.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import jwt

from actors.errors import Unauthenticated
from actors.ids import NAME_EXPECTED, parse_name
from actors.permissions import Grants
from actors.settings import Settings
from transport.auth_keys import ALGORITHMS, KeySet, signing_key
from transport.identity import JWT_CHARS_MAX, Identity

WARNING_MS_MAX: Final = 30_000
"""A client is told so long before its token expires, or a tenth of the token's life if less."""
TIME_S_MAX: Final = 253_402_300_799
"""The last second that RFC 3339 can say."""


class TokenVerifier:
    """`keys` gives those of now. `default_grants` are of tokens without the claim `rooms`."""

    def __init__(
        self, settings: Settings, keys: Callable[[], KeySet], default_grants: Grants
    ) -> None:
        self._audience: Final = settings.jwt_audience
        self._issuer: Final = settings.jwt_issuer
        self._leeway_s: Final = settings.jwt_leeway_s
        self._keys: Final = keys
        self._default_grants: Final = default_grants
        self._signatures: Final = jwt.PyJWS(algorithms=ALGORITHMS)

    def verify(self, token: str, now_ms: int) -> Identity:
        """Whose `token` is. Raises Unauthenticated."""
        claims = self._claims(token)
        user_id = parse_name(claims.get("sub"))
        if user_id is None:
            _refuse("sub", NAME_EXPECTED)
        expires_s, issued_s = self._times(claims, now_ms / 1000)
        self._check_parties(claims)
        try:
            has_rooms = "rooms" in claims
            grants = Grants.of_claim(claims["rooms"]) if has_rooms else self._default_grants
        except ValueError as error:
            raise Unauthenticated(f"token: {error}") from None
        expires_ms, life_s = int(expires_s * 1000), expires_s - issued_s
        warning_ms = min(WARNING_MS_MAX, int(life_s * 100))
        return Identity(user_id, grants, expires_ms, expires_ms - max(0, warning_ms))

    def _claims(self, token: str) -> Mapping[str, Any]:
        """The claims, once the signature is found to be right."""
        if len(token) > JWT_CHARS_MAX or not token.isascii():
            _refuse(None, f"at most {JWT_CHARS_MAX} ASCII characters")
        header = _header(token)
        if "crit" in header:  # RFC 7515, 4.1.11: what we do not know must not be passed over
            _refuse("crit", "no critical extensions")
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            _refuse("kid", "a string")
        key = self._keys().key_for(kid)
        if key is None:
            _refuse("kid", "the name of a key of this server")
        algorithm = key.algorithm_name
        if header.get("alg") != algorithm:
            _refuse("alg", f"{algorithm}, which is the key's")
        try:
            verified = self._signatures.decode_complete(token, key, [algorithm])
        except jwt.PyJWTError:
            _refuse(None, "a signature by a key of this server")
        return _object(verified["payload"], "claims")

    def _times(self, claims: Mapping[str, Any], now_s: float) -> tuple[float, float]:
        """`exp`, and when the token's life began, which is now where it does not say."""
        expires_s = _time(claims, "exp")
        if expires_s is None:
            _refuse("exp", "a time: tokens without an end are not taken")
        if now_s >= expires_s + self._leeway_s:
            _refuse("exp", "a time to come")
        for name in ("nbf", "iat"):
            begins_s = _time(claims, name)
            if begins_s is not None and now_s < begins_s - self._leeway_s:
                _refuse(name, "a time that has come")
        issued_s = _time(claims, "iat")
        return expires_s, now_s if issued_s is None else issued_s

    def _check_parties(self, claims: Mapping[str, Any]) -> None:
        """`aud` and `iss`, compared whole. A token that names an audience is for nobody else (RFC
        7519, 4.1.3), so it is refused where none is configured.
        """
        audience = claims.get("aud")
        named = [audience] if isinstance(audience, str) else audience
        if named is not None and not isinstance(named, list):
            _refuse("aud", "a string, or a list of strings")
        if self._audience:
            if self._audience not in (named or ()):
                _refuse("aud", repr(self._audience))
        elif named is not None:
            _refuse("aud", "none, as jwt_audience is not set")
        if self._issuer and claims.get("iss") != self._issuer:
            _refuse("iss", repr(self._issuer))


def mint(content: bytes, claims: Mapping[str, object], kid: str | None) -> str:
    """A token for development, signed with the private key (PEM) or secret in `content`. Raises
    KeysUnusable.
    """
    key, algorithm = signing_key(content)
    return jwt.encode(dict(claims), key, algorithm, {"kid": kid} if kid is not None else None)


def _refuse(claim: str | None, expected: str) -> NoReturn:
    name = "token" if claim is None else f"token: {claim}"
    raise Unauthenticated(f"{name}: expected {expected}")


def _header(token: str) -> Mapping[str, Any]:
    """Not to be believed yet. PyJWT reads it again, and is stricter about its spelling."""
    text = token.partition(".")[0]
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        _refuse("header", "base64url of a JSON object")
    return _object(data, "header")


def _object(data: bytes, name: str) -> Mapping[str, Any]:
    """`data` as a JSON object whose names are unique (RFC 7519, 4; RFC 7515, 4)."""
    try:
        value: object = json.loads(
            data.decode(), object_pairs_hook=_unique, parse_constant=_no_number
        )
    except (ValueError, RecursionError):  # also integers of thousands of digits
        _refuse(name, "a JSON object without repeated names")
    if not isinstance(value, dict):
        _refuse(name, "a JSON object")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is repeated")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519, 2), which may have a fraction."""
    if name not in claims:
        return None
    value: Any = claims[name]
    is_number = type(value) is int or type(value) is float
    if not is_number or not 0 <= value <= TIME_S_MAX:  # so no infinity, and no 4000 digits
        _refuse(name, "seconds since 1970")
    return float(value)
