"""Tokens that tests sign themselves, right ones and every kind of wrong one.

Owns keys of each kind and the putting together of a token from parts. Uses no code of the server:
what is forged here is forged from RFC 7515 and 7519.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

Json = dict[str, Any]

SECRET: Final = b"a secret that only tests know, 32+"
NOW_S: Final = 1_767_225_600
"""When simulated clocks begin."""


def b64(data: bytes) -> str:
    """Base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(header: Json | bytes, claims: Json | bytes, sign: Callable[[bytes], bytes]) -> str:
    """A token of exactly these parts; JSON where it is not bytes already."""
    parts = [
        each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, claims)
    ]
    signed = f"{b64(parts[0])}.{b64(parts[1])}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def good(**claims: Any) -> Json:
    """Claims of Ann that are right for an hour, but for `claims`; None leaves one out."""
    full = {"sub": "ann", "iat": NOW_S, "exp": NOW_S + 3600, **claims}
    return {name: value for name, value in full.items() if value is not None}


def hmac_by(secret: bytes, name: str = "sha256") -> Callable[[bytes], bytes]:
    """What signs with `secret`."""
    return lambda data: hmac.digest(secret, data, getattr(hashlib, name))


def hs256(claims: Json | bytes | None = None, secret: bytes = SECRET, **header: Any) -> str:
    """A token with that secret."""
    return token({"alg": "HS256", **header}, good() if claims is None else claims, hmac_by(secret))


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """One of each length for the whole run: making it takes a moment."""
    return _rsa_key(bits)


@cache
def _rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, bits)


@cache
def ec_key(curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    """One of each curve for the whole run."""
    return ec.generate_private_key(curve())


@cache
def ed_key(number: int = 0) -> ed25519.Ed25519PrivateKey:
    """The key of that number."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def rs256(claims: Json | None = None, **header: Any) -> str:
    """A token by the RSA key."""

    def sign(data: bytes) -> bytes:
        return rsa_key().sign(data, padding.PKCS1v15(), hashes.SHA256())

    return token({"alg": "RS256", **header}, claims or good(), sign)


def es256(claims: Json | None = None, **header: Any) -> str:
    """A token by the P-256 key."""

    def sign(data: bytes) -> bytes:
        r, s = utils.decode_dss_signature(ec_key().sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return token({"alg": "ES256", **header}, claims or good(), sign)


def eddsa(claims: Json | None = None, number: int = 0, **header: Any) -> str:
    """A token by the Ed25519 key of that number."""
    return token({"alg": "EdDSA", **header}, claims or good(), ed_key(number).sign)


def pem(key: Any) -> bytes:
    """The public half of a private key."""
    return bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def private_pem(key: Any) -> bytes:
    """The private half, not encrypted."""
    return bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def ed_jwk(number: int = 0, **fields: Any) -> Json:
    """The public half as a JWK (RFC 8037), with `fields`."""
    raw = ed_key(number).public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw), **fields}


def ec_jwk(**fields: Any) -> Json:
    """The public half as a JWK (RFC 7518, 6.2), with `fields`."""
    numbers = ec_key().public_key().public_numbers()
    x, y = (b64(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, **fields}


def rsa_jwk(bits: int = 2048, **fields: Any) -> Json:
    """The public half as a JWK (RFC 7518, 6.3), with `fields`."""
    numbers = rsa_key(bits).public_key().public_numbers()
    n = b64(numbers.n.to_bytes(bits // 8, "big"))
    return {"kty": "RSA", "n": n, "e": "AQAB", **fields}


def jwks(*keys: Json) -> bytes:
    """The file of these."""
    return json.dumps({"keys": keys}).encode()
