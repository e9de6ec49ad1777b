"""The keys that tokens are verified with, from the content of one file. PURE but for PyJWT.

Owns what a usable key is: its kind, its least length, and the one algorithm that goes with it. So
what a token says of algorithms can only agree with its key, and a public key is never a secret
(RFC 8725, 2.1 and 3.1). Knows no file and no token.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from jwt import PyJWK
from jwt.algorithms import get_default_algorithms

SECRET_BYTES_MIN: Final = 32
"""RFC 7518, 3.2: as long as the hash of HS256."""
KEYS_MAX: Final = 64
"""In one JWKS."""
_KIND_OF: Final = {"HS256": "oct", "RS256": "RSA", "ES256": "EC P-256", "EdDSA": "OKP Ed25519"}
ALGORITHMS: Final = tuple(_KIND_OF)
"""By their names in a token's header; each goes with one kind of key."""
_ALGORITHM_OF: Final = {kind: algorithm for algorithm, kind in _KIND_OF.items()}
_LIBRARY: Final = get_default_algorithms()
_PUBLIC_EXPECTED: Final = "expected one public key (PEM) of RSA, P-256 or Ed25519, or a JWKS"


class KeysUnusable(ValueError):
    """No token can be verified with it. The message says what was expected, and never shows a
    key.
    """


@dataclass(frozen=True, slots=True)
class KeySet:
    """At least one key, each for one algorithm. `by_kid` has them all where there are several."""

    only: PyJWK | None
    by_kid: Mapping[str, PyJWK]

    def __repr__(self) -> str:
        return f"<KeySet of {len(self)}>"

    def __len__(self) -> int:
        return 1 if self.only is not None else len(self.by_kid)

    def key_for(self, kid: str | None) -> PyJWK | None:
        """The key that `kid` names, None where it names none. A single key needs no name."""
        if self.only is None:
            return None if kid is None else self.by_kid.get(kid)
        named = self.only.key_id
        return self.only if kid is None or named is None or kid == named else None


def spelled(names: Collection[str]) -> tuple[str, ...]:
    """Those algorithms, whatever the case of their `names`, as tokens spell them."""
    return tuple(algorithm for algorithm in ALGORITHMS if algorithm.lower() in names)


def of_secret(content: bytes, allowed: Collection[str] = ()) -> KeySet:
    """The secret of HS256: `content` less one newline at its end. Raises KeysUnusable."""
    secret = content.removesuffix(b"\n")
    if len(secret) < SECRET_BYTES_MIN:
        raise KeysUnusable(f"expected a secret of at least {SECRET_BYTES_MIN} bytes (RFC 7518)")
    _narrow("HS256", allowed)
    try:
        _LIBRARY["HS256"].prepare_key(secret)  # refuses what is a public key, in any form
    except Exception as error:  # of two libraries, which raise what they come to
        raise KeysUnusable("expected a secret, not a key pair's half") from error
    return KeySet(_of_material(secret, "HS256"), MappingProxyType({}))


def of_public(content: bytes, allowed: Collection[str] = ()) -> KeySet:
    """The public keys in `content`: a JWKS (RFC 7517) where it begins with a brace, else one in
    PEM. `allowed` may leave out some of RS256, ES256 and EdDSA. Raises KeysUnusable.
    """
    if content.lstrip()[:1] == b"{":
        return _of_jwks(content, allowed)
    if b"PRIVATE KEY-----" in content:
        raise KeysUnusable("expected a public key, not a private one")
    if content.count(b"-----BEGIN ") != 1:
        raise KeysUnusable(_PUBLIC_EXPECTED)
    key, algorithm = _of_pem(content)
    _narrow(algorithm, allowed)
    return KeySet(_of_material(key, algorithm), MappingProxyType({}))


def signing_key(content: bytes) -> tuple[Any, str]:
    """What signs in development, and its algorithm: a private key (PEM), else a secret. Raises
    KeysUnusable.
    """
    if b"-----BEGIN " not in content:
        return of_secret(content).key_for(None), "HS256"
    if b"PRIVATE KEY-----" not in content:
        raise KeysUnusable("expected a private key (PEM), or a secret")
    return _of_pem(content)


def _of_pem(content: bytes) -> tuple[Any, str]:
    """The key and its algorithm, both as the library has them."""
    for algorithm in ("RS256", "ES256", "EdDSA"):
        try:
            key = _LIBRARY[algorithm].prepare_key(content)
            if _kind(_LIBRARY[algorithm].to_jwk(key, as_dict=True)) != _KIND_OF[algorithm]:
                continue
        except Exception:  # noqa: BLE001, S112  # of another kind, or none: the next one tells
            continue
        if problem := _LIBRARY[algorithm].check_key_length(key):
            raise KeysUnusable(problem)
        return key, algorithm
    raise KeysUnusable(_PUBLIC_EXPECTED)


def _of_jwks(content: bytes, allowed: Collection[str]) -> KeySet:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise KeysUnusable("expected a JWKS: it is not JSON") from None
    listed = [document] if "kty" in document else document.get("keys")
    if not isinstance(listed, list) or not 0 < len(listed) <= KEYS_MAX:
        raise KeysUnusable(f"keys: expected 1 to {KEYS_MAX} keys")
    keys = [key for key in _usable(listed) if not allowed or key.algorithm_name in allowed]
    if not keys:
        names = ", ".join(allowed or ALGORITHMS[1:])
        raise KeysUnusable(f"keys: expected at least one for {names}")
    if len(keys) == 1:
        return KeySet(keys[0], MappingProxyType({}))
    by_kid = {key.key_id: key for key in keys if isinstance(key.key_id, str)}
    if len(by_kid) != len(keys):
        raise KeysUnusable("keys: expected a kid of its own for each of several keys")
    return KeySet(None, MappingProxyType(by_kid))


def _usable(listed: list[object]) -> Iterator[PyJWK]:
    """The keys that can verify; others are left out, as RFC 7517, 5, would have it. Raises
    KeysUnusable for what must not be in such a file at all.
    """
    for number, jwk in enumerate(listed):
        if not isinstance(jwk, dict):
            continue
        if jwk.get("kty") == "oct" or "d" in jwk:
            raise KeysUnusable(f"keys[{number}]: expected a public key, not a secret one")
        algorithm = _ALGORITHM_OF.get(_kind(jwk))
        operations = jwk.get("key_ops", ["verify"])
        is_for_signatures = jwk.get("use", "sig") == "sig" and (
            isinstance(operations, list) and "verify" in operations
        )
        if algorithm is None or jwk.get("alg", algorithm) != algorithm or not is_for_signatures:
            continue
        try:
            key = PyJWK(jwk, algorithm)
        except Exception:  # noqa: BLE001, S112  # a point off its curve, a number that is none
            continue
        if not key.Algorithm.check_key_length(key.key):
            yield key


def _kind(jwk: Mapping[str, Any]) -> str:
    curve = jwk.get("crv")
    return f"{jwk.get('kty')} {curve}" if curve is not None else str(jwk.get("kty"))


def _of_material(key: Any, algorithm: str) -> PyJWK:
    return PyJWK(_LIBRARY[algorithm].to_jwk(key, as_dict=True), algorithm)


def _narrow(algorithm: str, allowed: Collection[str]) -> None:
    if allowed and algorithm not in allowed:
        raise KeysUnusable(f"expected a key for {', '.join(allowed)}, not for {algorithm}")
