"""The first tenant: what `hookstream-keys init` puts into an empty database."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from hookstream_keys import ids, keys, passwords, timestamps
from hookstream_keys.call import Call
from hookstream_keys.handlers import audit
from hookstream_keys.principal import Operator
from hookstream_keys.store import (
    ApiKey,
    Environment,
    Member,
    Organization,
    Store,
    Tenant,
    User,
)


@dataclass(frozen=True, slots=True)
class FirstTenant:
    """What was made, with the two secrets that are shown once."""

    tenant: Tenant
    key: str = field(repr=False)
    password: str = field(repr=False)


def create_first_tenant(
    store: Store, *, org: str, env: str, email: str, now: datetime
) -> FirstTenant | None:
    """Make an owner, an organization, an environment and a key, all or nothing.

    Returns None, and changes nothing, when the database has users or organizations already.
    """
    created_at = timestamps.to_text(now)
    password = passwords.generate()
    new = keys.generate("live")
    user = User(
        id=ids.new("usr"),
        name=email.partition("@")[0],
        email=email,
        account_id=ids.new("acc"),
        password_hash=passwords.hashed(password),
        created_at=created_at,
    )
    organization = Organization(ids.new("org"), org, slug(org), created_at)
    environment = Environment(ids.new("env"), organization.id, env, slug(env), "live", created_at)
    key = ApiKey(
        id=ids.new("ak"),
        org_id=organization.id,
        env_id=environment.id,
        name="First key",
        prefix=new.prefix,
        scopes="*",
        created_by=user.id,
        created_at=created_at,
    )
    call = Call(store, Operator(), ids.new("req"), None, now)
    tenant = Tenant(
        user=user,
        organization=organization,
        member=Member(ids.new("mem"), organization.id, user.id, "owner", created_at),
        environment=environment,
        key=key,
        key_digest=new.digest,
        events=(
            audit.organization_created(call, organization),
            audit.environment_created(call, environment),
            audit.key_created(call, key),
        ),
    )
    if not store.add_first_tenant(tenant):
        return None
    return FirstTenant(tenant, new.secret, password)


def slug(name: str) -> str:
    """`name` as it may stand in an address: letters and digits in lower case, joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "default"
