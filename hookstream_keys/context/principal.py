"""The principal of a request. Security makes one of a credential; handlers authorize it."""

from dataclasses import field

from hookstream_keys.domain.limits import Limit
from hookstream_keys.domain.records import record
from hookstream_keys.domain.scopes import Scopes
from hookstream_keys.store import Rotation


@record
class KeyPrincipal:
    """A program with an API key: it acts in one environment, within its scopes."""

    key_id: str
    org_id: str
    env_id: str
    scopes: Scopes
    #: Of the secret that was sent: a write finds the key by it again.
    digest: bytes = field(default=b"", repr=False)
    expires_at: str | None = None
    allowed_ips: tuple[str, ...] = ()
    rate_limit: Limit | None = None
    #: The role in the organization of who gave it its scopes; None for an operator.
    role: str | None = None
    #: Of the secret that was sent.
    prefix: str | None = None
    #: The rotation whose secret was sent, where that is pending.
    pending_rotation: Rotation | None = None


@record
class SessionPrincipal:
    """A signed-in user, who acts in every organization that they are a member of."""

    session_id: str
    user_id: str
    #: The organization of requests that name none.
    org_id: str | None = None
    #: Whether this use renews it.
    due: bool = False
    #: Whether a browser keeps it.
    by_cookie: bool = False


@record
class Operator:
    """The user of the command line, who has access to the database file."""


@record
class Anonymous:
    """An unauthenticated caller: the operation is public."""


#: Authenticated by a credential.
Authenticated = KeyPrincipal | SessionPrincipal
Principal = Authenticated | Operator | Anonymous

ANONYMOUS = Anonymous()
