"""Organizations: create, list, read, update and delete."""

from typing import Any

from hookstream_keys.context.principal import KeyPrincipal, SessionPrincipal
from hookstream_keys.contract import types
from hookstream_keys.domain import ids, timestamps, versions
from hookstream_keys.domain.errors import Conflict, Detail, OrganizationNotFound
from hookstream_keys.handlers import access, audit, pagination, tenancy
from hookstream_keys.handlers.context import Answer, RequestContext, WriteContext
from hookstream_keys.store import Organization, Page, UniqueViolation


async def list_organizations(
    context: RequestContext, limit: int, cursor: str | None = None
) -> Answer:
    """Show a page of the organizations that the caller belongs to, joined last first."""

    async def fetch(page: Page) -> list[Organization]:
        if isinstance(context.principal, KeyPrincipal):
            own = await access.authorize_organization(
                context, "organizations:read", context.principal.org_id
            )
            return [] if page.before else [own]
        return await context.store.list_organizations((await access.signed_in(context)).id, page)

    return await pagination.answer("organizations", limit, cursor, fetch, _views, _position)


async def create_organization(
    context: WriteContext, body: types.CreateOrganizationRequest
) -> Answer:
    """Create an organization that the caller owns."""
    user = await access.signed_in(context)
    name = body["name"]
    organization = Organization(
        id=ids.new("org", context.random),
        name=name,
        slug=body.get("slug") or tenancy.unique_slug(name, context.random),
        created_at=timestamps.to_text(context.now),
    )
    member = tenancy.owner(context, organization, user)
    answer: Answer = ({"organization": _view(organization, member.role)}, 201)
    event = audit.organization_created(context, organization, member)
    record = context.idempotency_record(answer)
    quota = context.dependencies.quotas.organizations_per_user
    try:
        await context.store.add_organization(organization, member, event, record, quota)
    except UniqueViolation:
        raise slug_taken() from None
    return answer


async def get_organization(context: RequestContext, id: str) -> Answer:
    """Show one organization."""
    organization = await access.authorize_organization(context, "organizations:read", id)
    return await _answer(context, organization)


async def update_organization(
    context: WriteContext, id: str, body: types.UpdateOrganizationRequest
) -> Answer:
    """Change an organization's name or slug."""
    organization = await access.authorize_organization(context, "organizations:update", id)
    context.require_version(_version(organization))
    event = audit.organization_updated(context, organization, body)
    try:
        changed = await context.store.update_organization(organization.id, body, event)
    except UniqueViolation:
        raise slug_taken() from None
    if changed is None:
        raise OrganizationNotFound
    return await _answer(context, changed)


async def delete_organization(context: WriteContext, id: str) -> Answer:
    """Delete an organization, with all its resources."""
    organization = await access.authorize_organization(context, "organizations:delete", id)
    context.require_version(_version(organization))
    event = audit.organization_deleted(context, organization)
    events = audit.deletion_events(context.sources)
    if not await context.store.delete_organization(audit.deletion(event), event, events):
        raise OrganizationNotFound
    return None, 204


def slug_taken() -> Conflict:
    """The error for a slug in use."""
    return Conflict(
        "The slug is taken; choose another.", details=[Detail("body/slug", "is taken already")]
    )


async def _answer(context: RequestContext, organization: Organization) -> Answer:
    shown = _view(organization, await _role(context, organization.id))
    return {"organization": shown}, 200, {"ETag": _version(organization)}


def _version(organization: Organization) -> str:
    """The version for all callers, whatever their role."""
    return versions.version_of(_view(organization, None))


async def _role(context: RequestContext, org_id: str) -> str | None:
    if not isinstance(context.principal, SessionPrincipal):
        return None
    return await context.store.role_in(org_id, context.principal.user_id)


def _position(organization: Organization) -> pagination.SortKey:
    """Where a list of the user's organizations has this one: by their membership."""
    return organization.joined or (organization.created_at, organization.id)


async def _views(found: list[Organization]) -> list[dict[str, Any]]:
    return [_view(organization, organization.role) for organization in found]


def _view(organization: Organization, role: str | None) -> dict[str, Any]:
    return {
        "id": organization.id,
        "name": organization.name,
        "slug": organization.slug,
        "role": role,
        "created_at": organization.created_at,
    }
