"""Migrations of the SQLite database, never changed once released.

The tables `user`, `session`, `account`, `verification`, `organization`, `member`
and `invitation` are better-auth's own, with its column names, so that one
database serves both. They are created only where better-auth has not been
before, and altered only to be what they are with its organization plugin.
"""

from sqlite_utils import Database, Migrations

from hookstream_keys.store import chain

migrations = Migrations("hookstream-keys")


@migrations()
def m0001_better_auth_tables(db: Database) -> None:
    """The tables that are shared with better-auth (core, and its organization plugin)."""
    _run(
        db,
        """
        create table if not exists "user" (
            "id" text not null primary key,
            "name" text not null,
            "email" text not null unique,
            "emailVerified" integer not null,
            "image" text,
            "createdAt" date not null,
            "updatedAt" date not null
        );
        create table if not exists "session" (
            "id" text not null primary key,
            "expiresAt" date not null,
            "token" text not null unique,
            "createdAt" date not null,
            "updatedAt" date not null,
            "ipAddress" text,
            "userAgent" text,
            "userId" text not null references "user" ("id") on delete cascade,
            "activeOrganizationId" text
        );
        create index if not exists "session_userId_idx" on "session" ("userId");
        create table if not exists "account" (
            "id" text not null primary key,
            "accountId" text not null,
            "providerId" text not null,
            "userId" text not null references "user" ("id") on delete cascade,
            "accessToken" text,
            "refreshToken" text,
            "idToken" text,
            "accessTokenExpiresAt" date,
            "refreshTokenExpiresAt" date,
            "scope" text,
            "password" text,
            "createdAt" date not null,
            "updatedAt" date not null
        );
        create index if not exists "account_userId_idx" on "account" ("userId");
        create table if not exists "verification" (
            "id" text not null primary key,
            "identifier" text not null,
            "value" text not null,
            "expiresAt" date not null,
            "createdAt" date not null,
            "updatedAt" date not null
        );
        create index if not exists "verification_identifier_idx" on "verification" ("identifier");
        create table if not exists "organization" (
            "id" text not null primary key,
            "name" text not null,
            "slug" text not null unique,
            "logo" text,
            "createdAt" date not null,
            "metadata" text
        );
        create table if not exists "member" (
            "id" text not null primary key,
            "organizationId" text not null references "organization" ("id") on delete cascade,
            "userId" text not null references "user" ("id") on delete cascade,
            "role" text not null,
            "createdAt" date not null
        );
        create index if not exists "member_organizationId_idx" on "member" ("organizationId");
        create index if not exists "member_userId_idx" on "member" ("userId");
        create table if not exists "invitation" (
            "id" text not null primary key,
            "organizationId" text not null references "organization" ("id") on delete cascade,
            "email" text not null,
            "role" text,
            "status" text not null,
            "expiresAt" date not null,
            "createdAt" date not null,
            "inviterId" text not null references "user" ("id") on delete cascade
        );
        create index if not exists "invitation_organizationId_idx"
            on "invitation" ("organizationId");
        create index if not exists "invitation_email_idx" on "invitation" ("email")
        """,
    )


@migrations()
def m0002_keys_and_audit_log(db: Database) -> None:
    """Environments, keys and the audit log: this project's own tables."""
    _run(
        db,
        """
        create table environment (
            id text primary key,
            org_id text not null references organization (id) on delete cascade,
            name text not null,
            slug text not null,
            mode text not null check (mode in ('live', 'test')),
            created_at text not null,
            unique (org_id, slug)
        ) strict;
        create table api_key (
            id text primary key,
            digest blob not null unique check (length(digest) = 32),
            org_id text not null references organization (id) on delete cascade,
            env_id text not null references environment (id) on delete cascade,
            name text not null,
            prefix text not null check (length(prefix) = 12),
            scopes text not null,
            created_by text,
            created_at text not null,
            revoked_at text
        ) strict;
        create index api_key_env on api_key (env_id, created_at, id);
        create table audit_log (
            seq integer primary key,
            id text not null unique,
            org_id text not null,
            user_id text,
            api_key_id text,
            action text not null,
            resource_type text not null,
            resource_id text not null,
            details text not null check (json_valid(details)),
            ip_address text,
            request_id text not null,
            created_at text not null
        ) strict;
        create index audit_log_org on audit_log (org_id, seq)
        """,
    )


@migrations()
def m0003_key_rules(db: Database) -> None:
    """What limits a key: whether it is enabled, until when, from where; and why it was revoked."""
    _run(
        db,
        """
        alter table api_key add column enabled integer not null default 1 check (enabled in (0, 1));
        alter table api_key add column expires_at text;
        alter table api_key add column allowed_ips text not null default '';
        alter table api_key add column metadata text not null default '{}'
            check (json_valid(metadata));
        alter table api_key add column external_id text;
        alter table api_key add column revocation_reason text;
        create index api_key_org on api_key (org_id, created_at, id)
        """,
    )


@migrations()
def m0004_audit_chain(db: Database) -> None:
    """The audit log becomes a hash chain, and nothing in it can be changed by accident.

    The rows that are there are numbered from 1 without gaps and chained as they are.
    """
    _run(
        db,
        """
        alter table audit_log rename to audit_log_unchained;
        drop index audit_log_org;
        create table audit_log (
            seq integer primary key,
            id text not null unique,
            org_id text not null,
            env_id text,
            user_id text,
            api_key_id text,
            action text not null,
            resource_type text not null,
            resource_id text not null,
            details text not null check (json_valid(details)),
            ip_address text,
            request_id text not null,
            created_at text not null,
            hash text not null check (length(hash) = 64)
        ) strict;
        create table audit_head (
            id integer primary key check (id = 1),
            seq integer not null,
            hash text not null check (length(hash) = 64)
        ) strict
        """,
    )
    names = ("seq", "id", "org_id", "env_id", "user_id", "api_key_id", "action", "resource_type",
             "resource_id", "details", "ip_address", "request_id", "created_at")  # fmt: skip
    columns = f"{', '.join(names)}, hash"
    places = ", ".join("?" for _ in (*names, "hash"))
    seq, link = 0, chain.GENESIS
    for values in db.execute(
        """select id, org_id,
               coalesce(json_extract(details, '$.env_id'),
                        iif(resource_type = 'environment', resource_id, null)),
               user_id, api_key_id, action, resource_type, resource_id, details, ip_address,
               request_id, created_at
           from audit_log_unchained order by seq"""
    ):
        seq += 1
        link = chain.entry_hash(link, dict(zip(names, (seq, *values), strict=True)))
        db.execute(
            f"insert into audit_log ({columns}) values ({places})",  # noqa: S608 - constants
            (seq, *values, link.hex()),
        )
    db.execute("insert into audit_head (id, seq, hash) values (1, ?, ?)", (seq, link.hex()))
    _run(
        db,
        """
        drop table audit_log_unchained;
        create index audit_log_org on audit_log (org_id, seq);
        create index audit_log_env on audit_log (org_id, env_id, seq);
        create index audit_log_resource on audit_log (org_id, resource_id, seq)
        """,
    )
    for change in ("update", "delete"):
        # Against accidents only: an attacker drops these first, and the chain finds that.
        db.execute(
            f"""create trigger audit_log_no_{change} before {change} on audit_log
                begin select raise(abort, 'the audit log is only added to'); end"""
        )


@migrations()
def m0005_deleted_environments(db: Database) -> None:
    """An environment that was deleted keeps its row: its keys, revoked with it, refer to it."""
    _run(db, "alter table environment add column deleted_at text")


@migrations()
def m0006_active_organization(db: Database) -> None:
    """Where better-auth was first, and without its organization plugin, a session has no such."""
    if "activeOrganizationId" not in db.table("session").columns_dict:
        _run(db, 'alter table "session" add column "activeOrganizationId" text')


@migrations()
def m0007_rate_limits(db: Database) -> None:
    """How often a key may be used: `requests/seconds`."""
    _run(db, "alter table api_key add column rate_limit text")


@migrations()
def m0008_rotations(db: Database) -> None:
    """The secrets of keys that are not, or not any more, their own."""
    _run(
        db,
        """
        create table rotation (
            id text primary key,
            key_id text not null references api_key (id) on delete cascade,
            digest blob not null unique check (length(digest) = 32),
            prefix text not null check (length(prefix) = 12),
            state text not null check (state in ('pending', 'grace', 'cancelled')),
            grace_period_seconds integer not null check (grace_period_seconds >= 0),
            sets_expiry integer not null check (sets_expiry in (0, 1)),
            expires_at text,
            created_at text not null,
            created_by text,
            activated_at text
        ) strict;
        create index rotation_key on rotation (key_id, created_at, id);
        create unique index rotation_pending on rotation (key_id) where state = 'pending'
        """,
    )


@migrations()
def m0009_receipts(db: Database) -> None:
    """Idempotency records."""
    _run(
        db,
        """
        create table receipt (
            id blob primary key check (length(id) = 32),
            fingerprint blob not null check (length(fingerprint) = 32),
            sealed blob not null,
            created_at text not null
        ) strict, without rowid;
        create index receipt_age on receipt (created_at)
        """,
    )


@migrations()
def m0010_usage(db: Database) -> None:
    """How often keys are used: apart from the keys, which are read at every use."""
    _run(
        db,
        """
        create table key_usage (
            key_id text not null references api_key (id) on delete cascade,
            outcome text not null,
            count integer not null check (count > 0),
            last_at text not null,
            last_ip text,
            primary key (key_id, outcome)
        ) strict, without rowid
        """,
    )


@migrations()
def m0011_role_of_keys(db: Database) -> None:
    """The role of the member who granted a key's scopes; null for an operator.

    Existing keys were created before this limited them, and stay as they are.
    """
    _run(db, "alter table api_key add column role text")


@migrations()
def m0012_who_restricted_a_key(db: Database) -> None:
    """The highest role that restricted each rule of a key; and the keys that one made.

    Of keys that are there already it is not known: who may change one may lift its restrictions.
    """
    _run(
        db,
        """
        alter table api_key add column restricted_by text not null default '{}'
            check (json_valid(restricted_by));
        create index api_key_created_by on api_key (created_by, created_at, id)
            where created_by is not null
        """,
    )


@migrations()
def m0013_audit_anchor(db: Database) -> None:
    """Where the audit log's rows begin, since the oldest can be pruned: after this one."""
    _run(
        db,
        """
        create table audit_anchor (
            id integer primary key check (id = 1),
            seq integer not null check (seq >= 0),
            hash text not null check (length(hash) = 64)
        ) strict
        """,
    )
    db.execute("insert into audit_anchor (id, seq, hash) values (1, 0, ?)", (chain.GENESIS.hex(),))


@migrations()
def m0014_retention(db: Database) -> None:
    """What finds the rows that are over by an index; and when a rotation was cancelled.

    Of those that are cancelled already that is not known: they count from their beginning.
    """
    _run(
        db,
        """
        alter table rotation add column cancelled_at text;
        update rotation set cancelled_at = created_at where state = 'cancelled';
        create index rotation_cancelled on rotation (cancelled_at) where state = 'cancelled';
        create index rotation_grace on rotation (expires_at) where state = 'grace';
        create index environment_deleted on environment (deleted_at) where deleted_at is not null;
        create index if not exists "hookstream_session_expiresAt" on "session" ("expiresAt");
        create index if not exists "hookstream_verification_expiresAt"
            on "verification" ("expiresAt")
        """,
    )


@migrations()
def m0015_who_rotated_a_key(db: Database) -> None:
    """What finds the rotations that a user or key began; and whose role set their expiry.

    Of those that are there already it is not known: who may change the key may lift it.
    """
    _run(
        db,
        """
        alter table rotation add column restricted_by text;
        create index rotation_created_by on rotation (created_by) where created_by is not null
        """,
    )


@migrations()
def m0016_audit_checkpoint(db: Database) -> None:
    """What the pruned rows of the audit log said the state is, for checking it without them."""
    _run(
        db,
        """
        create table audit_checkpoint (
            checkpoint text not null,
            kind text not null,
            id text not null,
            org_id text not null,
            presence integer not null,
            since integer not null,
            is_complete integer not null,
            fields text not null,
            primary key (checkpoint, kind, id)
        ) strict, without rowid
        """,
    )


@migrations()
def m0017_quotas(db: Database) -> None:
    """What counts the resources of quotas by an index, without those that are over."""
    _run(
        db,
        """
        create index api_key_usable on api_key (env_id, expires_at) where revoked_at is null;
        create index environment_of_org on environment (org_id) where deleted_at is null;
        create index rotation_in_grace on rotation (key_id, expires_at) where state = 'grace'
        """,
    )


@migrations()
def m0018_pending_deletions(db: Database) -> None:
    """The environments and organizations whose deletion has begun, and is not complete.

    With the deletion's time, its reason for keys, and its origin, for the audit events to come.
    """
    _run(
        db,
        """
        create table pending_deletion (
            id text primary key,
            kind text not null check (kind in ('environment', 'organization')),
            org_id text not null,
            deleted_at text not null,
            reason text not null,
            user_id text,
            api_key_id text,
            ip_address text,
            request_id text not null,
            keys_revoked integer not null default 0 check (keys_revoked >= 0),
            batches integer not null default 0 check (batches >= 0)
        ) strict, without rowid
        """,
    )


@migrations()
def m0019_indexes_of_lists(db: Database) -> None:
    """An index for the filters and the order of each list, so that a page has a bounded cost."""
    of_class = "iif(revoked_at is not null, 3, iif(enabled = 0, 2, expires_at is not null))"
    _run(
        db,
        f"""
        drop index api_key_env;
        drop index api_key_org;
        drop index api_key_created_by;
        drop index environment_of_org;
        drop index rotation_created_by;
        create index rotation_created_by on rotation (created_by)
            where created_by is not null and state <> 'cancelled';
        create index rotation_succession on rotation (key_id, activated_at, id)
            where state = 'grace';
        create index api_key_env on api_key (env_id, {of_class}, created_at, id);
        create index api_key_org on api_key (org_id, {of_class}, created_at, id);
        create index api_key_name on api_key (org_id, name, created_at, id);
        create index api_key_created_by on api_key (created_by, org_id, created_at, id)
            where created_by is not null;
        create index environment_of_org on environment (org_id, created_at, id)
            where deleted_at is null;
        create index audit_log_action on audit_log (org_id, action, seq);
        create index if not exists "hookstream_member_of_user"
            on "member" ("userId", "createdAt", "id");
        create index if not exists "hookstream_member_role"
            on "member" ("userId", "organizationId", "role");
        create index if not exists "hookstream_member_of_organization"
            on "member" ("organizationId", "createdAt", "id");
        create index if not exists "hookstream_member_owner"
            on "member" ("organizationId", "role") where instr("role", 'owner') > 0
        """,
    )


@migrations()
def m0020_pending_revocations(db: Database) -> None:
    """The revocations of descendants that are done in batches, and how far each is.

    With what finds the pending rotations that a user or key began, in order.
    """
    _run(
        db,
        """
        create table pending_revocation (
            id text primary key,
            made_by text not null,
            org_id text not null,
            reason text not null,
            cause text not null,
            kept_role text,
            begun_at text not null,
            user_id text,
            api_key_id text,
            ip_address text,
            request_id text not null,
            creator text not null,
            after_created_at text not null,
            after_id text not null,
            after_rotation text not null,
            is_complete integer not null check (is_complete in (0, 1)),
            keys_revoked integer not null check (keys_revoked >= 0),
            batches integer not null default 0 check (batches >= 0)
        ) strict, without rowid;
        create index rotation_pending_by on rotation (created_by, id)
            where created_by is not null and state = 'pending'
        """,
    )


@migrations()
def m0021_fewer_entries_per_key(db: Database) -> None:
    """What counts the keys of an environment: most keys have no entry of their own for it.

    An active key without an expiry, as most are, is counted by `api_key_env`.
    """
    _run(
        db,
        """
        drop index api_key_usable;
        create index api_key_expiring on api_key (env_id, expires_at)
            where revoked_at is null and expires_at is not null;
        create index api_key_disabled on api_key (env_id)
            where revoked_at is null and enabled = 0 and expires_at is null
        """,
    )


def _run(db: Database, statements: str) -> None:
    # Not executescript: it would commit the migration's transaction half-way.
    for statement in statements.split(";"):
        db.execute(statement)
