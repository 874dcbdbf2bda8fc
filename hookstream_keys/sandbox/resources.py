"""Makes keys, rotations and sessions in a sandbox, by the API's own handlers."""

import dataclasses
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from hookstream_keys.app import Application
from hookstream_keys.context.principal import Principal, SessionPrincipal
from hookstream_keys.domain import ids, passwords, timestamps
from hookstream_keys.domain.limits import Limit
from hookstream_keys.domain.records import record
from hookstream_keys.domain.sources import Random, Sources
from hookstream_keys.handlers import in_process
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.runtime import rate_limit_names

Values = dict[str, Any]

#: Of every user of a sandbox. It is no secret.
PASSWORD = "sandbox-password"  # noqa: S105 - published
#: A network of documentation (RFC 5737), which no client has an address of.
NETWORK = "192.0.2.0/24"

#: A scope that no service of an example asks for.
FEW_SCOPES = "reports:read"

HOUR = timedelta(hours=1)


@cache
def password_hash() -> str:
    """The hash of `PASSWORD`, made once: it takes a twentieth of a second."""
    return passwords.hashed(PASSWORD)


@record
class Owner:
    """Who makes the resources, and where."""

    user_id: str
    email: str
    org_id: str
    env_id: str


class Resources:
    """Makes resources of an owner at the moment `now`; random bytes are those of `random`."""

    def __init__(
        self, application: Application, owner: Owner, now: datetime, random: Random
    ) -> None:
        self._application = application
        self._owner = owner
        self._now = now
        self._random = random

    def key(self, *, at: datetime | None = None, **fields: Any) -> Values:
        """A new key, as `createApiKey` makes it of these fields."""
        body = {
            "name": "Key",
            "org_id": self._owner.org_id,
            "env_id": self._owner.env_id,
            **{name: value for name, value in fields.items() if value is not None},
        }
        made = self.call("createApiKey", body, at=at)
        return {
            "org_id": self._owner.org_id,
            "env_id": self._owner.env_id,
            "key_id": made["id"],
            "key": made["key"],
        }

    def disabled_key(self, **fields: Any) -> Values:
        """A key that is not enabled."""
        values = self.key(**fields)
        self.call("updateApiKey", {"enabled": False}, id=values["key_id"])
        return values

    def expired_key(self, **fields: Any) -> Values:
        """A key that was valid for an hour, and expired an hour ago."""
        expires_at = timestamps.to_text(self._now - HOUR)
        return self.key(at=self._now - 2 * HOUR, **{**fields, "expires_at": expires_at})

    def revoked_key(self, reason: str | None = None, **fields: Any) -> Values:
        """A key that is revoked."""
        values = self.key(**fields)
        self.call("revokeApiKey", id=values["key_id"], reason=reason)
        return values

    def rate_limited_key(self, requests: int, window_seconds: int, **fields: Any) -> Values:
        """A key whose own limit is used up."""
        limit = {"requests": requests, "window_seconds": window_seconds}
        values = self.key(rate_limit=limit, **fields)
        self.use_up(rate_limit_names.of_key(values["key_id"]), Limit(requests, window_seconds))
        return values

    def rotated_key(
        self,
        grace_period_seconds: int,
        *,
        at: datetime | None = None,
        used: bool = False,
        **fields: Any,
    ) -> Values:
        """A key with a new secret: pending, or `used` for the first time, when grace begins."""
        values = self.key(at=at, **fields)
        rotated = self.call(
            "rotateApiKey",
            {"grace_period_seconds": grace_period_seconds},
            at=at,
            id=values["key_id"],
        )
        if used:
            self.call("verifyApiKey", {"key": rotated["key"]}, at=at)
        return {**values, "new_key": rotated["key"], "rotation_id": rotated["rotation"]["id"]}

    def session(self, *, at: datetime | None = None) -> str:
        """The token of a new session of the owner."""
        store = self._application.store
        found = store.run(store.find_credential(self._owner.email))
        body = {"email": self._owner.email, "password": PASSWORD}
        token: str = self.call(
            "signInEmail", body, at=at, prepared=None if found is None else found[1]
        )["token"]
        return token

    def sign_up(self, name: str, email: str) -> "Owner":
        """A new user, with an organization and an environment of their own."""
        store = self._application.store
        body = {"name": name, "email": email, "password": PASSWORD}
        user_id = self.call("signUpEmail", body, prepared=password_hash())["user"]["id"]
        org_id = next(iter(store.run(store.roles_of(user_id))))
        (environment,) = self.call("listEnvironments", by=_signed_in(user_id, org_id))[
            "environments"
        ]
        return Owner(user_id, email, org_id, environment["id"])

    def member(self, email: str) -> str:
        """The ID of the membership that a user gets in the organization."""
        added = self.call("addMember", {"email": email, "role": "member"}, id=self._owner.org_id)
        member_id: str = added["member"]["id"]
        return member_id

    def spare(self, at: datetime) -> Values:
        """Another organization of the owner, and another environment in the first one."""
        organization = self.call("createOrganization", {"name": "Spare organization"}, at=at)
        body = {"name": "Spare", "slug": "spare", "org_id": self._owner.org_id}
        environment = self.call("createEnvironment", body, at=at)
        return {
            "org_id": organization["organization"]["id"],
            "env_id": environment["environment"]["id"],
        }

    def use_up(self, name: str, limit: Limit) -> None:
        """Use up a limit by its name."""
        counters = self._application.counters
        store = self._application.store
        remaining = store.run(counters.peek(name, limit)).remaining
        if remaining:
            store.run(counters.consume(name, limit, remaining))

    def call(
        self,
        operation_id: str,
        body: Any = None,
        *,
        at: datetime | None = None,
        by: Principal | None = None,
        prepared: Any = None,
        **given: str | None,
    ) -> Any:
        """The body of the answer to the owner, or to another principal."""
        moment = at or self._now
        dependencies = dataclasses.replace(
            self._application.dependencies,
            sources=Sources(now=lambda: moment),
            # Whatever the sandbox is started with: what it begins with has a member.
            adds_unverified_members=True,
        )
        context = RequestContext(
            store=self._application.store,
            principal=by or _signed_in(self._owner.user_id, self._owner.org_id),
            request_id=ids.new("req", self._random),
            address=None,
            now=moment,
            random=self._random,
            dependencies=dependencies,
        )
        store = self._application.store
        return store.run(
            in_process.answer(context, store, operation_id, body, prepared=prepared, **given)
        )[0]


def _signed_in(user_id: str, org_id: str) -> Principal:
    return SessionPrincipal("", user_id, org_id)
