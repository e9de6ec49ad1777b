"""Secrets that no log line of any server in the whole test run may have.

Owns what they look like. Every line of every server that acceptance tests start is held against it
(server.py), whatever the test is about. A secret that a test makes up has `CANARY` in it; tokens
are known by their shape, keys by the file that they are kept in.
"""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Final

CANARY: Final = "canary-3f9c71"
"""Part of every secret that tests make up."""
_LEAK: Final = re.compile(
    rf"{CANARY}"
    r"|[\w-]{40,}\.[\w-]{22}(?![\w-])"  # a resume token: body and 16 bytes of signature
    r"|eyJ[\w-]+\.eyJ[\w-]+\."  # a JSON web token
    r"|-----BEGIN"  # a private key, or a certificate
)
_KEY: Final = re.compile(r"\b[0-9a-f]{32,}\b")


def leaks_of(line: str) -> list[str]:
    """What in a log line looks like a secret, cut short: the report must not tell it either."""
    return [f"{found[0][:16]}…" for found in _LEAK.finditer(line)]


def keys_of(data_dir: Path) -> set[str]:
    """Every spelling of every key that is kept there, as logs might show it."""
    path = data_dir / "keys"
    text = path.read_text("ascii") if path.is_file() else ""
    spellings: set[str] = set()
    for digits in _KEY.findall(text):
        key = bytes.fromhex(digits)
        spellings |= {digits, repr(key)[2:-1]}
        spellings |= {b64encode(key).decode().rstrip("="), urlsafe_b64encode(key).decode()[:-1]}
    return spellings
