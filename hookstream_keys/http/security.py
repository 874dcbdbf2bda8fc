"""Security: the credentials that an operation takes, in the document's order."""

from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from hookstream_keys.auth.credentials import Check, Credentials
from hookstream_keys.context import request as requests
from hookstream_keys.context.principal import ANONYMOUS, KeyPrincipal, Principal, SessionPrincipal
from hookstream_keys.context.request import Request
from hookstream_keys.domain.errors import ApiError, Unauthorized
from hookstream_keys.http.per_operation import PerOperationMiddleware
from hookstream_keys.http.rate_limiting import RateLimiting
from hookstream_keys.runtime.fair_share import FairShare
from hookstream_keys.store import StoreError


class Security(PerOperationMiddleware):
    """Authenticates a request, and counts it for the principal's rate limit."""

    def __init__(
        self, app: ASGIApp, credentials: Credentials, limiting: RateLimiting, share: FairShare
    ) -> None:
        super().__init__(app)
        self._credentials = credentials
        self._limiting = limiting
        self._share = share

    def prepare(self, operation: AbstractOperation) -> ASGIApp:
        """Find the credentials that the operation accepts."""
        if not operation.security:
            # It is public: credentials are ignored.
            return self.app
        checks = [
            self._credentials.check(operation.security_schemes[name])
            for requirement in operation.security
            for name in requirement
        ]
        return _Secured(
            self.app, checks, self._limiting, self._share, optional={} in operation.security
        )


class _Secured:
    """An operation that accepts some credentials, which may be optional."""

    def __init__(
        self,
        app: ASGIApp,
        checks: list[Check],
        limiting: RateLimiting,
        share: FairShare,
        *,
        optional: bool,
    ) -> None:
        self._next = app
        self._share = share
        self._checks = checks
        self._limiting = limiting
        self._optional = optional

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its principal, in its tenant's turn.

        Raises Unauthorized, RateLimited or Overloaded.
        """
        request = requests.of(scope)
        request.principal = principal = await self._principal(request)
        if isinstance(principal, KeyPrincipal | SessionPrincipal):
            tenant = await self._limiting.count_caller(request, principal)
            request.has_share = True
            await self._share.run(tenant, self._next, scope, receive, send)
        else:
            client = await self._limiting.limit_anonymous(request)
            await self._share.clients.give_way(client)
            request.has_share = True
            await self._share.clients.run(client, self._next, scope, receive, send)

    async def _principal(self, request: Request) -> Principal:
        refusal: Exception | None = None
        for check in self._checks:
            try:
                principal = await check(request)
            except (ApiError, StoreError) as error:
                # Another credential may be valid. If none is, this is the answer, not 401: while
                # the database fails, it is not known whether the credential is valid.
                refusal = refusal or error
            else:
                if principal is not None:
                    return principal
        if refusal is not None:
            raise refusal
        if not self._optional:
            raise Unauthorized(credential_sent=Credentials.sent(request))
        return ANONYMOUS
