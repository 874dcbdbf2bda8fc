"""Environments: create, list, read, update and delete."""

from typing import Any

from hookstream_keys.context.principal import KeyPrincipal
from hookstream_keys.contract import types
from hookstream_keys.domain import ids, timestamps, versions
from hookstream_keys.domain.errors import EnvironmentNotFound, OrganizationNotFound
from hookstream_keys.handlers import access, audit, pagination, tenancy
from hookstream_keys.handlers.context import Answer, RequestContext, WriteContext
from hookstream_keys.handlers.organizations import slug_taken
from hookstream_keys.store import Environment, ForeignKeyViolation, UniqueViolation


async def list_environments(
    context: RequestContext, limit: int, cursor: str | None = None, org_id: str | None = None
) -> Answer:
    """Show a page of an organization's environments, newest first; to a key its own."""
    wanted = await access.own_organization(context, "environments:read", org_id)
    own = context.principal.env_id if isinstance(context.principal, KeyPrincipal) else None
    return await pagination.answer(
        "environments",
        limit,
        cursor,
        lambda page: context.store.list_environments(wanted, own, page),
        _views,
    )


async def create_environment(context: WriteContext, body: types.CreateEnvironmentRequest) -> Answer:
    """Create an environment."""
    org_id = await access.own_organization(context, "environments:create", body.get("org_id"))
    environment = Environment(
        id=ids.new("env", context.random),
        org_id=org_id,
        name=body["name"],
        slug=body["slug"],
        mode=tenancy.mode_of(context, body["mode"]),
        created_at=timestamps.to_text(context.now),
    )
    answer: Answer = ({"environment": _view(environment)}, 201)
    event = audit.environment_created(context, environment)
    record = context.idempotency_record(answer)
    quota = context.dependencies.quotas.environments_per_organization
    try:
        await context.store.add_environment(environment, event, record, quota)
    except UniqueViolation:
        raise slug_taken() from None
    except ForeignKeyViolation:
        raise OrganizationNotFound from None
    return answer


async def get_environment(context: RequestContext, id: str) -> Answer:
    """Show one environment."""
    return _answer(await access.authorize_environment(context, "environments:read", env_id=id))


async def update_environment(
    context: WriteContext, id: str, body: types.UpdateEnvironmentRequest
) -> Answer:
    """Change an environment's name or slug."""
    environment = await access.authorize_environment(context, "environments:update", env_id=id)
    context.require_version(_version(environment))
    event = audit.environment_updated(context, environment, body)
    try:
        changed = await context.store.update_environment(
            environment.org_id, environment.id, body, event
        )
    except UniqueViolation:
        raise slug_taken() from None
    if changed is None:
        raise EnvironmentNotFound
    return _answer(changed)


async def delete_environment(context: WriteContext, id: str) -> Answer:
    """Delete an environment and revoke its keys."""
    environment = await access.authorize_environment(context, "environments:delete", env_id=id)
    context.require_version(_version(environment))
    event = audit.environment_deleted(context, environment)
    events = audit.deletion_events(context.sources)
    if not await context.store.delete_environment(audit.deletion(event), event, events):
        raise EnvironmentNotFound
    return None, 204


def _answer(environment: Environment) -> Answer:
    return {"environment": _view(environment)}, 200, {"ETag": _version(environment)}


def _version(environment: Environment) -> str:
    return versions.version_of(_view(environment))


async def _views(found: list[Environment]) -> list[dict[str, Any]]:
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
