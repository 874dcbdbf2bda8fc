"""The first resources of a user: an organization of their own, and an environment in it."""

import re

from hookstream_keys.domain import ids, timestamps
from hookstream_keys.handlers import audit
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.store import Environment, Member, Organization, Tenancy, User


def begin(context: RequestContext, user: User, *, org: str, org_slug: str, env: str) -> Tenancy:
    """An organization called `org` that `user` owns, with a live environment called `env`."""
    created_at = timestamps.to_text(context.now)
    organization = Organization(ids.new("org"), org, org_slug, created_at)
    environment = Environment(ids.new("env"), organization.id, env, slug(env), "live", created_at)
    member = owner(organization, user)
    return Tenancy(
        organization=organization,
        member=member,
        environment=environment,
        events=(
            audit.organization_created(context, organization, member),
            audit.environment_created(context, environment),
        ),
    )


def owner(organization: Organization, user: User) -> Member:
    """The membership of an organization's creator."""
    return Member(
        id=ids.new("mem"),
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


def unique_slug(name: str) -> str:
    """The same with random characters, so that it neither collides nor reveals other slugs."""
    return f"{slug(name)}-{ids.random(3)}"
