"""Organizations: making, listing, reading, changing and deleting them."""

from typing import Any

from hookstream_keys import ids, tenancy, timestamps
from hookstream_keys.call import Answer, Call, WriteCall
from hookstream_keys.errors import Conflict, Detail, OrganizationNotFound
from hookstream_keys.handlers import access, audit, pages
from hookstream_keys.principal import KeyPrincipal, SessionPrincipal
from hookstream_keys.store import Organization, Page, Taken


def list_organizations(call: Call, limit: int, cursor: str | None = None) -> Answer:
    """Show a page of the organizations that the caller belongs to, newest first."""

    def fetch(page: Page) -> list[Organization]:
        if isinstance(call.principal, KeyPrincipal):
            own = access.organization_to(call, "organizations:read", call.principal.org_id)
            return [] if page.before else [own]
        return call.store.list_organizations(access.signed_in(call).id, page)

    return pages.answer("organizations", limit, cursor, fetch, _views)


def create_organization(call: WriteCall, body: dict[str, Any]) -> Answer:
    """Make an organization that the caller owns."""
    user = access.signed_in(call)
    name = body["name"]
    organization = Organization(
        id=ids.new("org"),
        name=name,
        slug=body.get("slug") or tenancy.unique_slug(name),
        created_at=timestamps.to_text(call.now),
    )
    member = tenancy.owner(organization, user)
    answer: Answer = ({"organization": _view(organization, member.role)}, 201)
    event = audit.organization_created(call, organization, member)
    try:
        call.store.add_organization(organization, member, event, call.receipt(answer))
    except Taken:
        raise slug_taken() from None
    return answer


def get_organization(call: Call, id: str) -> Answer:
    """Show one organization."""
    organization = access.organization_to(call, "organizations:read", id)
    return {"organization": _view(organization, _role(call, id))}, 200


def update_organization(call: WriteCall, id: str, body: dict[str, Any]) -> Answer:
    """Change what an organization is called."""
    organization = access.organization_to(call, "organizations:update", id)
    event = audit.organization_updated(call, organization, body)
    try:
        changed = call.store.update_organization(organization.id, body, event)
    except Taken:
        raise slug_taken() from None
    if changed is None:
        raise OrganizationNotFound
    return {"organization": _view(changed, _role(call, id))}, 200


def delete_organization(call: WriteCall, id: str) -> Answer:
    """Delete an organization, with all that is in it."""
    organization = access.organization_to(call, "organizations:delete", id)
    event = audit.organization_deleted(call, organization)
    now, end = timestamps.to_text(call.now), audit.END_OF_OPERATION
    if not call.store.delete_organization(id, now, end, event, audit.ending_with_its_home(call)):
        raise OrganizationNotFound
    return None, 204


def slug_taken() -> Conflict:
    """The error for a slug that another has."""
    return Conflict(
        "The slug is taken; choose another.", details=[Detail("body/slug", "is taken already")]
    )


def _role(call: Call, org_id: str) -> str | None:
    if not isinstance(call.principal, SessionPrincipal):
        return None
    return call.store.roles_of(call.principal.user_id).get(org_id)


def _views(found: list[Organization]) -> list[dict[str, Any]]:
    return [_view(organization, organization.role) for organization in found]


def _view(organization: Organization, role: str | None) -> dict[str, Any]:
    return {
        "id": organization.id,
        "name": organization.name,
        "slug": organization.slug,
        "role": role,
        "created_at": organization.created_at,
    }
