"""From a credential to a principal: the only place that decides whether a credential is good.

Connexion asks the schemes of an operation in the document's order and takes the
first that accepts: a key in `X-API-Key`, then a bearer token, then the session
cookie. A scheme that has nothing good to say passes to the next; it never
raises 401 itself, because Connexion would let that hide a database that does
not answer.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from connexion.lifecycle import ConnexionRequest
from connexion.security import NO_VALUE

from hookstream_keys import cookies, sessions, timestamps, verification
from hookstream_keys.errors import Detail, UntrustedOrigin
from hookstream_keys.principal import KeyPrincipal, Principal, SessionPrincipal
from hookstream_keys.scopes import Scopes
from hookstream_keys.store import Store

#: RFC 9110, section 9.2.1: these change nothing, so no page can do harm with them.
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

Check = Callable[[ConnexionRequest], Awaitable[Any]]


class Authenticator:
    """Knows which credentials are good."""

    def __init__(self, store: Store, secret: str, trusted_origins: tuple[str, ...]) -> None:
        self._store = store
        self._secret = secret
        self._trusted_origins = frozenset(trusted_origins)

    def by_key(self, text: str, address: str | None) -> KeyPrincipal | None:
        """Who sent this API key from `address`, if it is a good one."""
        use = verification.Use(now=timestamps.to_text(timestamps.now()), ip=address)
        found = verification.verify(self._store, text, use)
        if found.code != "VALID" or found.key is None:
            return None
        key = found.key
        return KeyPrincipal(
            key_id=key.id,
            org_id=key.org_id,
            env_id=key.env_id,
            scopes=Scopes.parse(key.scopes),
            expires_at=key.expires_at,
            allowed_ips=key.allowed_ips,
        )

    def by_bearer(self, text: str, address: str | None) -> Principal | None:
        """Who sent this bearer token: an API key, or a session token, signed or not."""
        principal = self.by_key(text, address)
        if principal is not None:
            return principal
        # better-auth hands tokens out percent-encoded in cookies, and takes them either way.
        token = unquote(text)
        # A token has no dot of its own, so a dot means a signature, which must then be good.
        return self._by_token(sessions.unsign(token, self._secret) if "." in token else token)

    def by_cookie(self, value: str) -> SessionPrincipal | None:
        """Whose session this cookie holds. Unlike a bearer token it must be signed."""
        return self._by_token(sessions.unsign(value, self._secret))

    def check_origin(self, request: ConnexionRequest) -> None:
        """Refuse a change that a page of another site may have made with the user's cookie.

        Raises UntrustedOrigin unless `Origin`, or where a browser sends none
        `Sec-Fetch-Site`, says that the request is this server's or a trusted origin's.
        """
        origin = request.headers.get("origin")
        if origin is None:
            trusted = request.headers.get("sec-fetch-site") == "same-origin"
        else:
            own = f"{request.scope['scheme']}://{request.headers.get('host', '')}".lower()
            trusted = origin == own or origin in self._trusted_origins
        if not trusted:
            raise UntrustedOrigin(
                "A session cookie changes something only from this server's own pages or a trusted "
                "origin. Send an API key, or add the origin to HOOKSTREAM_TRUSTED_ORIGINS.",
                details=[Detail("header/origin", "is missing or not trusted")],
            )

    def _by_token(self, token: str | None) -> SessionPrincipal | None:
        if not token:
            return None
        session = self._store.find_session(token, timestamps.to_text(timestamps.now()))
        if session is None:
            return None
        return SessionPrincipal(session.id, session.user_id, session.org_id)


def security_map(authenticator: Authenticator) -> dict[str, type]:
    """Connexion's `security_map`: what stands behind the document's security schemes."""

    def accepted(principal: Principal | None) -> Any:
        return NO_VALUE if principal is None else {"sub": principal}

    async def header_key(request: ConnexionRequest) -> Any:
        text = request.headers.get("x-api-key")
        return accepted(authenticator.by_key(text, _address(request)) if text else None)

    async def bearer(request: ConnexionRequest) -> Any:
        scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return NO_VALUE
        return accepted(authenticator.by_bearer(token.strip(), _address(request)))

    async def cookie(request: ConnexionRequest) -> Any:
        value = cookies.read(
            request.headers.get("cookie", ""), (sessions.SECURE_COOKIE, sessions.COOKIE)
        )
        principal = authenticator.by_cookie(value) if value else None
        if principal is not None and request.method not in SAFE_METHODS:
            authenticator.check_origin(request)
        return accepted(principal)

    class ApiKeyScheme:
        def get_fn(self, scheme: dict[str, str], _: list[str]) -> Check:
            return {"header": header_key, "cookie": cookie}[scheme["in"]]

    class BearerScheme:
        def get_fn(self, *_: Any) -> Check:
            return bearer

    return {"apiKey": ApiKeyScheme, "bearer": BearerScheme}


def _address(request: ConnexionRequest) -> str | None:
    client = request.scope.get("client")
    return client[0] if client else None
