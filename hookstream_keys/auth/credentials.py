"""Authentication: from a credential to a principal.

An operation accepts the schemes that the document names for it, in that order, and the first valid
credential decides: a key in `X-API-Key`, then a bearer token, then the session cookie.
"""

import dataclasses
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from hookstream_keys.auth import verification
from hookstream_keys.auth.session_cookies import SessionCookies
from hookstream_keys.auth.sessions import Lifetimes
from hookstream_keys.context.origins import Origins
from hookstream_keys.context.principal import (
    Authenticated,
    KeyPrincipal,
    Principal,
    SessionPrincipal,
)
from hookstream_keys.context.request import Request
from hookstream_keys.domain import keys, timestamps
from hookstream_keys.domain.scopes import Scopes
from hookstream_keys.domain.signing import Signer
from hookstream_keys.runtime.refusals import Note, Refused
from hookstream_keys.runtime.usage import Count
from hookstream_keys.store import ApiKey, ReadStore, Session

API_KEY, AUTHORIZATION, COOKIE = b"x-api-key", b"authorization", b"cookie"

Check = Callable[[Request], Coroutine[Any, Any, Principal | None]]


class Credentials:
    """Finds the principal of a credential."""

    def __init__(
        self,
        store: ReadStore,
        *,
        signer: Signer,
        origins: Origins,
        cookies: SessionCookies,
        lifetimes: Lifetimes,
        count: Count,
        note: Note,
    ) -> None:
        self._store = store
        self._signer = signer
        self._origins = origins
        self._cookies = cookies
        self._lifetimes = lifetimes
        #: Count refused uses of keys, and record the refusals.
        self._count = count
        self._note = note

    def check(self, scheme: dict[str, Any]) -> Check:
        """The check of a security scheme of the document, which returns the principal.

        Raises LookupError for an unknown scheme.
        """
        match scheme:
            case {"type": "apiKey", "in": "header"}:
                return self.header_key
            case {"type": "http", "scheme": "bearer"}:
                return self.bearer
            case {"type": "apiKey", "in": "cookie"}:
                return self.cookie
        raise LookupError(f"unknown security scheme {scheme}")

    @staticmethod
    def sent(request: Request) -> bool:
        """Whether a request has a credential, valid or not."""
        return not request.headers.keys().isdisjoint((API_KEY, AUTHORIZATION, COOKIE))

    async def header_key(self, request: Request) -> KeyPrincipal | None:
        """The principal of the key in `X-API-Key`."""
        text = request.header(API_KEY)
        if not text:
            return None
        use = verification.Use(request.now, request.address or None)
        return await self._by_key(keys.digest_of(text, request.random), use, request.id)

    async def bearer(self, request: Request) -> Principal | None:
        """The principal of the bearer token: a key, or a session's token, signed or not."""
        header = request.header(AUTHORIZATION)
        if header is None:
            return None
        scheme, _, token = header.strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        use = verification.Use(request.now, request.address or None)
        principal = await self._by_key(keys.digest_of(token, request.random), use, request.id)
        if principal is not None:
            return principal
        # better-auth percent-encodes tokens in cookies, and accepts them either way.
        token = unquote(token)
        # A token contains no dot, so a dot means a signature, which must then be valid.
        return await self._by_token(self._signer.unsign(token) if "." in token else token, request)

    async def cookie(self, request: Request) -> SessionPrincipal | None:
        """The principal of the session cookie; writes are accepted from trusted origins only.

        Unlike a bearer token it must be signed. Cookies of two users authenticate neither: one of
        them was planted by another host of the domain. Raises UntrustedOrigin.
        """
        header = request.header(COOKIE)
        if header is None:
            return None
        found: dict[str, SessionPrincipal] = {}
        for token in self._cookies.tokens(header):
            principal = await self._by_token(token, request, by_cookie=True)
            if principal is not None:
                found.setdefault(principal.user_id, principal)
        if len(found) != 1:
            return None
        [principal] = found.values()
        if principal.due and self._cookies.is_brief(header):
            principal = dataclasses.replace(principal, due=False)
        if request.operation and request.operation.method != "GET":
            self._origins.require_trusted(request)
        return principal

    async def current(
        self, principal: Principal, address: str | None, request_id: str, moment: datetime
    ) -> Authenticated | None:
        """A request's principal as it is at `moment`; None when it is no longer valid.

        The client's `address` and the request's id are recorded with a refusal.
        """
        now = timestamps.to_text(moment)
        if isinstance(principal, KeyPrincipal):
            return await self._by_key(principal.digest, verification.Use(now, address), request_id)
        if not isinstance(principal, SessionPrincipal):
            return None
        session = await self._store.find_session_by_id(principal.session_id, now)
        if session is None or session.user_id != principal.user_id:
            return None
        found = self._by_session(session, moment, by_cookie=principal.by_cookie)
        # Whether the cookie allows renewal is not stored in the session.
        return found and dataclasses.replace(found, due=found.due and principal.due)

    async def _by_key(
        self, digest: bytes | None, use: verification.Use, request_id: str
    ) -> KeyPrincipal | None:
        found = await verification.verify(self._store, digest, use)
        key = found.key
        if key is None or digest is None:
            return None
        if found.code != "VALID":
            self._count(key.id, found.code, use.now, use.ip)
            self._note_refusal(key, found.code, use, request_id)
            return None
        return KeyPrincipal(
            key_id=key.id,
            org_id=key.org_id,
            env_id=key.env_id,
            scopes=Scopes.parse(key.scopes),
            digest=digest,
            expires_at=key.expires_at,
            allowed_ips=key.allowed_ips,
            rate_limit=key.rate_limit,
            role=key.role,
            prefix=key.prefix,
            pending_rotation=verification.pending(key),
        )

    def _note_refusal(self, key: ApiKey, code: str, use: verification.Use, request_id: str) -> None:
        now, secret = use.now, (key.prefix, key.org_id)
        self._note(Refused("api_key", key.id, code, use.ip, request_id, now, now, *secret))

    async def _by_token(
        self, token: str | None, request: Request, *, by_cookie: bool = False
    ) -> SessionPrincipal | None:
        if not token:
            return None
        session = await self._store.find_session(token, request.now)
        if session is None:
            return None
        return self._by_session(session, request.moment, by_cookie=by_cookie)

    def _by_session(
        self, session: Session, moment: datetime, *, by_cookie: bool
    ) -> SessionPrincipal | None:
        if self._lifetimes.has_ended(session, moment):
            return None
        due = self._lifetimes.renewed_end(session, moment) is not None
        return SessionPrincipal(session.id, session.user_id, session.org_id, due, by_cookie)
