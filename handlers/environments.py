"""Environments: making, listing, reading, changing and deleting them."""

from typing import Any

from hookstream_keys import ids, timestamps
from hookstream_keys.call import Answer, Call, WriteCall
from hookstream_keys.errors import EnvironmentNotFound, OrganizationNotFound
from hookstream_keys.handlers import access, audit, pages
from hookstream_keys.handlers.organizations import slug_taken
from hookstream_keys.principal import KeyPrincipal
from hookstream_keys.store import Environment, ReferenceGone, Taken


def list_environments(
    call: Call, limit: int, cursor: str | None = None, org_id: str | None = None
) -> Answer:
    """Show a page of an organization's environments, newest first; to a key its own."""
    wanted = access.own_organization(call, "environments:read", org_id)
    own = call.principal.env_id if isinstance(call.principal, KeyPrincipal) else None
    return pages.answer(
        "environments",
        limit,
        cursor,
        lambda page: call.store.list_environments(wanted, own, page),
        _views,
    )


def create_environment(call: WriteCall, body: dict[str, Any]) -> Answer:
    """Make an environment to issue keys for."""
    org_id = access.own_organization(call, "environments:create", body.get("org_id"))
    environment = Environment(
        id=ids.new("env"),
        org_id=org_id,
        name=body["name"],
        slug=body["slug"],
        mode=body["mode"],
        created_at=timestamps.to_text(call.now),
    )
    answer: Answer = ({"environment": _view(environment)}, 201)
    event = audit.environment_created(call, environment)
    try:
        call.store.add_environment(environment, event, call.receipt(answer))
    except Taken:
        raise slug_taken() from None
    except ReferenceGone:
        raise OrganizationNotFound from None
    return answer


def get_environment(call: Call, id: str) -> Answer:
    """Show one environment."""
    return {"environment": _view(access.environment_to(call, "environments:read", env_id=id))}, 200


def update_environment(call: WriteCall, id: str, body: dict[str, Any]) -> Answer:
    """Change what an environment is called."""
    environment = access.environment_to(call, "environments:update", env_id=id)
    event = audit.environment_updated(call, environment, body)
    try:
        changed = call.store.update_environment(environment.id, body, event)
    except Taken:
        raise slug_taken() from None
    if changed is None:
        raise EnvironmentNotFound
    return {"environment": _view(changed)}, 200


def delete_environment(call: WriteCall, id: str) -> Answer:
    """Delete an environment, and revoke its keys with it."""
    environment = access.environment_to(call, "environments:delete", env_id=id)
    event = audit.environment_deleted(call, environment)
    now, end = timestamps.to_text(call.now), audit.END_OF_OPERATION
    if not call.store.delete_environment(id, now, end, event, audit.ending_with_its_home(call)):
        raise EnvironmentNotFound
    return None, 204


def _views(found: list[Environment]) -> list[dict[str, Any]]:
    return [_view(each) for each in found]


def _view(environment: Environment) -> dict[str, Any]:
    return {
        "id": environment.id,
        "org_id": environment.org_id,
        "name": environment.name,
        "slug": environment.slug,
        "mode": environment.mode,
        "created_at": environment.created_at,
    }
