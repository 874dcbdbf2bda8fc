"""From a credential to a principal: the only place that decides whether a credential is good.

Connexion asks the schemes of an operation in the document's order and takes the
first that accepts: a key in `X-API-Key`, then a bearer token, then the session
cookie. A scheme that has nothing good to say passes to the next; it never
raises 401 itself, because Connexion would let that hide a database that does
not answer.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from connexion.lifecycle import ConnexionRequest
from connexion.security import NO_VALUE

from hookstream_keys import cookies, sessions, timestamps, verification
from hookstream_keys.call import Service
from hookstream_keys.origins import Origins
from hookstream_keys.principal import KeyPrincipal, Principal, SessionPrincipal
from hookstream_keys.scopes import Scopes
from hookstream_keys.store import Store

#: RFC 9110, section 9.2.1: these change nothing, so no page can do harm with them.
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

Check = Callable[[ConnexionRequest], Awaitable[Any]]


class Authenticator:
    """Knows which credentials are good."""

    def __init__(self, store: Store, service: Service) -> None:
        self._store = store
        self._signer = service.signer
        self._count = service.count

    def by_key(self, text: str, address: str | None) -> KeyPrincipal | None:
        """Who sent this API key from `address`, if it is a good one."""
        use = verification.Use(now=timestamps.to_text(timestamps.now()), ip=address)
        found = verification.verify(self._store, text, use)
        key = found.key
        if key is None:
            return None
        if found.code != "VALID":
            self._count(key.id, found.code, use.now, address)
            return None
        return KeyPrincipal(
            key_id=key.id,
            org_id=key.org_id,
            env_id=key.env_id,
            scopes=Scopes.parse(key.scopes),
            expires_at=key.expires_at,
            allowed_ips=key.allowed_ips,
            rate_limit=key.rate_limit,
            pending_rotation=verification.pending(key),
        )

    def by_bearer(self, text: str, address: str | None) -> Principal | None:
        """Who sent this bearer token: an API key, or a session token, signed or not."""
        principal = self.by_key(text, address)
        if principal is not None:
            return principal
        # better-auth hands tokens out percent-encoded in cookies, and takes them either way.
        token = unquote(text)
        # A token has no dot of its own, so a dot means a signature, which must then be good.
        return self._by_token(self._signer.unsign(token) if "." in token else token)

    def by_cookie(self, value: str) -> SessionPrincipal | None:
        """Whose session this cookie holds. Unlike a bearer token it must be signed."""
        return self._by_token(self._signer.unsign(value), by_cookie=True)

    def _by_token(self, token: str | None, *, by_cookie: bool = False) -> SessionPrincipal | None:
        if not token:
            return None
        now = timestamps.now()
        session = self._store.find_session(token, timestamps.to_text(now))
        if session is None:
            return None
        due = sessions.is_due(session, now)
        return SessionPrincipal(session.id, session.user_id, session.org_id, due, by_cookie)


class Schemes:
    """What stands behind the document's security schemes."""

    def __init__(self, authenticator: Authenticator, origins: Origins) -> None:
        self._authenticator = authenticator
        self._origins = origins

    def security_map(self) -> dict[str, type]:
        """The same in the words of Connexion."""
        by_place = {"header": _kept(self.header_key), "cookie": _kept(self.cookie)}
        bearer = _kept(self.bearer)

        class ApiKeyScheme:
            def get_fn(self, scheme: dict[str, str], _: list[str]) -> Check:
                return by_place[scheme["in"]]

        class BearerScheme:
            def get_fn(self, *_: Any) -> Check:
                return bearer

        return {"apiKey": ApiKeyScheme, "bearer": BearerScheme}

    async def header_key(self, request: ConnexionRequest) -> Any:
        """The key in `X-API-Key`."""
        text = request.headers.get("x-api-key")
        return _accepted(self._authenticator.by_key(text, _address(request)) if text else None)

    async def bearer(self, request: ConnexionRequest) -> Any:
        """The key or the session's token in `Authorization`."""
        scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return NO_VALUE
        return _accepted(self._authenticator.by_bearer(token.strip(), _address(request)))

    async def cookie(self, request: ConnexionRequest) -> Any:
        """The session in the cookie, which changes something from pages of ours only."""
        value = cookies.read(
            request.headers.get("cookie", ""), (sessions.SECURE_COOKIE, sessions.COOKIE)
        )
        principal = self._authenticator.by_cookie(value) if value else None
        if principal is not None and request.method not in SAFE_METHODS:
            self._origins.require_ours(request.headers, request.scope["scheme"])
        return _accepted(principal)


def _accepted(principal: Principal | None) -> Any:
    return NO_VALUE if principal is None else {"sub": principal}


def _kept(check: Check) -> Check:
    """Keep an error of `check`, which Connexion drops where an operation needs no credential."""

    @functools.wraps(check)
    async def checked(request: ConnexionRequest) -> Any:
        try:
            return await check(request)
        except Exception as error:
            request.scope["state"]["refusal"] = error
            raise

    return checked


def _address(request: ConnexionRequest) -> str | None:
    client = request.scope.get("client")
    return client[0] if client else None
