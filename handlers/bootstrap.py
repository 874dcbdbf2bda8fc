"""The first tenant of an empty database: what `hookstream-keys init` and a sandbox begin with."""

from dataclasses import field

from hookstream_keys.domain import ids, keys, timestamps
from hookstream_keys.domain.records import record
from hookstream_keys.handlers import audit, tenancy
from hookstream_keys.handlers.context import RequestContext
from hookstream_keys.store import ApiKey, Credential, Store, Tenant, User


@record
class FirstTenant:
    """The created records, with the secret that is shown once."""

    tenant: Tenant
    key: str = field(repr=False)


async def create_first_tenant(
    context: RequestContext, store: Store, *, org: str, env: str, email: str, password_hash: str
) -> FirstTenant | None:
    """Create an owner, an organization, an environment and a key in one transaction.

    Returns None, and changes nothing, when the database has users or organizations already.
    """
    created_at = timestamps.to_text(context.now)
    user = User(
        id=ids.new("usr", context.random),
        name=email.partition("@")[0],
        email=email.lower(),
        created_at=created_at,
        updated_at=created_at,
        email_verified=True,
    )
    begun = tenancy.begin(context, user, org=org, org_slug=tenancy.slug(org), env=env)
    new = keys.generate(begun.environment.mode, context.random)
    key = ApiKey(
        id=ids.new("ak", context.random),
        org_id=begun.organization.id,
        env_id=begun.environment.id,
        name="First key",
        prefix=new.prefix,
        scopes="*",
        created_by=user.id,
        created_at=created_at,
    )
    tenant = Tenant(
        user=user,
        credential=Credential(ids.new("acc", context.random), user.id, password_hash, created_at),
        tenancy=begun,
        key=key,
        key_digest=new.digest,
        key_event=audit.key_created(context, key, new.digest),
    )
    if not await store.add_first_tenant(tenant):
        return None
    return FirstTenant(tenant, new.secret)
