"""A guard for Django REST framework: an authentication class.

class ApiKeys(KeyAuthentication):
    client = Client("http://127.0.0.1:8080/v1", "YOUR_API_TOKEN")

class Events(APIView):
    authentication_classes = [ApiKeys]
    required_scopes = "events:read"
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from hookstream_keys_client.client import Client
from hookstream_keys_client.guards.decision import (
    Principal,
    Rejected,
    Rules,
    check,
    required_scopes,
)


@dataclasses.dataclass(frozen=True)
class KeyUser(Principal):
    """The principal as `request.user`: authenticated, with the key's ID as primary key.

    Throttles of the framework count by it. It is no row of Django's table of users.
    """

    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False
    is_active: ClassVar[bool] = True

    @property
    def pk(self) -> str:
        """The key's ID."""
        return self.key_id


class KeyRejected(APIException):
    """The response to a request that does not pass, for the framework's exception handler."""

    def __init__(self, rejected: Rejected) -> None:
        super().__init__(rejected.message, rejected.code)
        self.status_code = rejected.status
        # The names that `rest_framework.views.exception_handler` makes headers of.
        if "WWW-Authenticate" in rejected.headers:
            self.auth_header = rejected.headers["WWW-Authenticate"]
        if "Retry-After" in rejected.headers:
            self.wait = int(rejected.headers["Retry-After"])


class KeyAuthentication(BaseAuthentication):
    """Authenticates a request by its API key. Subclass it, and set `client`.

    The view's `required_scopes` is what the key must cover; without it any valid key passes.
    `request.user` is a `KeyUser`, `request.auth` the same `Principal`.

    A request without a key is rejected, also where the view's permissions allow anonymous users.
    Set `optional` where other authentication classes follow: then a request without a key is left
    to them, and only a permission class such as `IsAuthenticated` rejects it.
    """

    client: ClassVar[Client]
    rules: ClassVar[Rules] = Rules()
    optional: ClassVar[bool] = False

    def address(self, request: Request) -> str | None:
        """The end client's address: `REMOTE_ADDR`, which behind a proxy is the proxy's."""
        found = request.META.get("REMOTE_ADDR")
        return found if isinstance(found, str) else None

    def authenticate(self, request: Request) -> tuple[KeyUser, Principal] | None:
        """The user and the principal; None without a key if `optional`.

        Raises KeyRejected, or ImproperlyConfigured if the class has no client.
        """
        client = getattr(self, "client", None)
        if not isinstance(client, Client):
            raise ImproperlyConfigured(f"{type(self).__name__}.client is no Client")
        headers = request.headers.get
        if self.optional and not self.rules.has_key(headers):
            return None
        view = (request.parser_context or {}).get("view")
        scopes = required_scopes(getattr(view, "required_scopes", None))
        try:
            principal = check(client, self.rules, headers, scopes, self.address(request))
        except Rejected as rejected:
            _add_headers(view, rejected.rate_limit_headers)
            raise KeyRejected(rejected) from rejected
        _add_headers(view, principal.rate_limit_headers)
        return KeyUser(**vars(principal)), principal

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - it is called with one
        """The challenge of a 401 that a permission class causes."""
        return self.rules.challenge()


def _add_headers(view: Any, headers: Mapping[str, str]) -> None:
    """Add headers to the view's response, which takes them from `view.headers`."""
    if view is not None:
        view.headers.update(headers)
