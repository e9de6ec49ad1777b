"""What a running server knows its clients by: the file of keys, and who verifies tokens with it.

Owns that a server in anonymous mode loads nothing of that: PyJWT and cryptography are of no use
there.
"""

from typing import TYPE_CHECKING

from actors.audit.port import AuditLog
from actors.permissions import Grants
from actors.ports import Log
from actors.settings import AuthMode, Settings
from transport.identity import Verify
from transport.key_file import KeyFile

if TYPE_CHECKING:
    from transport.auth_keys import KeySet


def token_keys_of(settings: Settings, log: Log) -> "KeyFile[KeySet] | None":
    """What tokens are verified with; None where none are. Raises KeyFileUnusable."""
    if settings.auth is AuthMode.ANONYMOUS:
        return None
    from transport import auth_keys  # noqa: PLC0415  # cryptography, of which others have no need

    path, is_secret = settings.jwt_secret_file, bool(settings.jwt_secret_file)
    parse = auth_keys.of_secret if is_secret else auth_keys.of_public
    allowed = auth_keys.spelled(settings.jwt_algorithms)
    file = path or settings.jwt_public_key_file
    return KeyFile(file, lambda content: parse(content, allowed), log, is_secret=is_secret)


def verifier_of(settings: Settings, keys: "KeyFile[KeySet]") -> Verify:
    """Whoever tells whose token it is, with the keys of now."""
    from transport.auth import TokenVerifier  # noqa: PLC0415  # as above

    default_grants = Grants.everywhere(settings.default_permissions)
    return TokenVerifier(settings, keys.keys, default_grants).verify


def note_changes(keys: "KeyFile[KeySet] | None", audit: AuditLog) -> None:
    """Have the audit told of other keys from now on."""
    if keys is not None:
        keys.changed = lambda: audit.note("auth_keys_reloaded")
