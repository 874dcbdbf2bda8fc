"""What a sandbox begins with: two tenants, and a key in each state."""

from datetime import timedelta

from hookstream_keys.app import Application
from hookstream_keys.context.principal import Operator
from hookstream_keys.domain import ids
from hookstream_keys.domain.records import record
from hookstream_keys.handlers import bootstrap
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.sandbox.clock import Clock
from hookstream_keys.sandbox.randomness import Streams
from hookstream_keys.sandbox.resources import (
    FEW_SCOPES,
    HOUR,
    NETWORK,
    PASSWORD,
    Owner,
    Resources,
    Values,
    password_hash,
)

ORGANIZATION = "Acme"
ENVIRONMENT = "Sandbox"
OWNER_EMAIL = "owner@example.com"
MEMBER_EMAIL = "member@example.com"
OTHER_EMAIL = "owner@example.net"

#: The limit of the key that has used it up.
LIMIT = {"requests": 1, "window_seconds": 3600}
#: The grace periods of the rotations, in seconds.
GRACE, ENDED_GRACE = 3600, 60


@record
class Seeded:
    """The facts of a seeded database, and who owns what."""

    facts: Values
    owner: Owner
    other: Owner


def seed(application: Application, clock: Clock, streams: Streams) -> Seeded:
    """Fill an empty database. All but what has expired is made an hour before the clock's time."""
    now = clock.now()
    begun = now - HOUR
    owner, first = _first_tenant(application, clock, streams)

    def make(purpose: str) -> Resources:
        return Resources(application, owner, begun, streams.stream(f"seed {purpose}"))

    member = make("member").sign_up("Member", MEMBER_EMAIL)
    member_id = make("membership").member(MEMBER_EMAIL)
    other = make("other tenant").sign_up("Other", OTHER_EMAIL)
    # A minute later, so that it is not the organization that requests mean which name none.
    spare = make("spare").spare(at=begun + timedelta(minutes=1))
    others = Resources(application, other, begun, streams.stream("seed other key"))
    other_key = others.key(name="Other key")
    lifetime = application.dependencies.lifetimes.first_end(now, brief=False) - now
    keys = {
        "active": make("active").key(name="Active key", scopes="events:read events:write"),
        "disabled": make("disabled").disabled_key(name="Disabled key"),
        "expired": make("expired").expired_key(name="Expired key"),
        "revoked": make("revoked").revoked_key(name="Revoked key", reason="keyCompromise"),
        "ip_bound": make("ip_bound").key(name="Bound key", allowed_ips=[NETWORK]),
        "out_of_scope": make("out_of_scope").key(name="Narrow key", scopes=FEW_SCOPES),
        "rate_limited": make("rate_limited").key(name="Limited key", rate_limit=LIMIT),
        "rotation_pending": make("pending").rotated_key(GRACE, name="Key with a pending secret"),
        "rotation_in_grace": make("grace").rotated_key(
            GRACE, at=now - HOUR / 2, used=True, name="Key in its grace period"
        ),
        "rotation_ended": make("ended").rotated_key(ENDED_GRACE, used=True, name="Rotated key"),
    }
    facts: Values = {
        **first,
        "session_token": make("session").session(),
        "keys": {
            name: {"id": values.pop("key_id"), **_without_place(values)}
            for name, values in keys.items()
        },
        "sessions": {
            "live": make("live session").session(),
            "expired": make("expired session").session(at=now - lifetime - timedelta(days=1)),
        },
        "users": {
            "owner": {
                "user_id": owner.user_id,
                "member_id": first["member_id"],
                "email": OWNER_EMAIL,
                "password": PASSWORD,
            },
            "member": {
                "user_id": member.user_id,
                "member_id": member_id,
                "email": MEMBER_EMAIL,
                "password": PASSWORD,
            },
        },
        "spare": spare,
        "other_tenant": other_key,
    }
    return Seeded(facts, owner, other)


def _first_tenant(application: Application, clock: Clock, streams: Streams) -> tuple[Owner, Values]:
    random = streams.stream("seed first tenant")
    context = RequestContext(
        store=application.store,
        principal=Operator(),
        request_id=ids.new("req", random),
        address=None,
        now=clock.now() - HOUR,
        random=random,
    )
    first = application.store.run(
        bootstrap.create_first_tenant(
            context,
            application.store,
            org=ORGANIZATION,
            env=ENVIRONMENT,
            email=OWNER_EMAIL,
            password_hash=password_hash(),
        )
    )
    if first is None:
        raise RuntimeError("a sandbox is seeded when its database is empty")
    begun, user = first.tenant.tenancy, first.tenant.user
    owner = Owner(user.id, user.email, begun.organization.id, begun.environment.id)
    return owner, {
        "org_id": owner.org_id,
        "env_id": owner.env_id,
        "user_id": user.id,
        "member_id": begun.member.id,
        "email": user.email,
        "password": PASSWORD,
        "key_id": first.tenant.key.id,
        "key": first.key,
    }


def _without_place(values: Values) -> Values:
    return {name: value for name, value in values.items() if name not in ("org_id", "env_id")}
