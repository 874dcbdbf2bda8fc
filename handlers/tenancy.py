"""The first resources of a user: an organization of their own, and an environment in it."""

import re

from hookstream_keys.domain import ids, timestamps
from hookstream_keys.domain.keys import Mode
from hookstream_keys.domain.sources import Random
from hookstream_keys.handlers import audit
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.store import Environment, Member, Organization, Tenancy, User


def begin(context: RequestContext, user: User, *, org: str, org_slug: str, env: str) -> Tenancy:
    """An organization called `org` that `user` owns, with an environment called `env`."""
    created_at = timestamps.to_text(context.now)
    organization = Organization(ids.new("org", context.random), org, org_slug, created_at)
    environment = Environment(
        id=ids.new("env", context.random),
        org_id=organization.id,
        name=env,
        slug=slug(env),
        mode=mode_of(context, "live"),
        created_at=created_at,
    )
    member = owner(context, organization, user)
    return Tenancy(
        organization=organization,
        member=member,
        environment=environment,
        events=(
            audit.organization_created(context, organization, member),
            audit.environment_created(context, environment),
        ),
    )


def mode_of(context: RequestContext, wanted: Mode) -> Mode:
    """The mode of a new environment: in a sandbox `test`, whatever a request wants."""
    return "test" if context.random.is_sandbox else wanted


def owner(context: RequestContext, organization: Organization, user: User) -> Member:
    """The membership of an organization's creator."""
    return Member(
        id=ids.new("mem", context.random),
        org_id=organization.id,
        user_id=user.id,
        role="owner",
        created_at=organization.created_at,
        name=user.name,
        email=user.email,
    )


def slug(name: str) -> str:
    """The URL slug of `name`: letters and digits in lower case, joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-") or "default"


def unique_slug(name: str, random: Random) -> str:
    """The same with random characters, so that it neither collides nor reveals other slugs."""
    return f"{slug(name)}-{random.token_bytes(3).hex()}"
