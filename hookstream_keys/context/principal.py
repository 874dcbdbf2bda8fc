"""Who asks. Security turns a credential into one of these; handlers decide by it."""

from dataclasses import field

from hookstream_keys.domain.limits import Limit
from hookstream_keys.domain.records import record
from hookstream_keys.domain.scopes import Scopes
from hookstream_keys.store import Rotation


@record
class KeyPrincipal:
    """A program that sent an API key: it acts inside one environment, within its scopes."""

    key_id: str
    org_id: str
    env_id: str
    scopes: Scopes
    #: Of the secret that was sent: a write finds the key by it once more.
    digest: bytes = field(default=b"", repr=False)
    expires_at: str | None = None
    allowed_ips: tuple[str, ...] = ()
    rate_limit: Limit | None = None
    #: What whoever gave it its scopes was in the organization; None for an operator.
    role: str | None = None
    #: Of the secret that was sent.
    prefix: str | None = None
    #: The rotation whose secret was sent, where that has not been used before.
    pending_rotation: Rotation | None = None


@record
class SessionPrincipal:
    """A person who is signed in: acts wherever the user is a member."""

    session_id: str
    user_id: str
    #: The organization that is meant where none is named.
    org_id: str | None = None
    #: Whether it is old enough to be renewed by this use.
    due: bool = False
    #: Whether a browser keeps it.
    by_cookie: bool = False


@record
class Operator:
    """Whoever runs the command line beside the database file, and could edit it anyway."""


@record
class Anonymous:
    """Nobody in particular: the operation is open to all."""


#: Those that a credential made a principal.
Authenticated = KeyPrincipal | SessionPrincipal
Principal = Authenticated | Operator | Anonymous

ANONYMOUS = Anonymous()
