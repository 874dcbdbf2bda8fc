-- The tables as they are on SQLite after its first 21 migrations.
--
-- better-auth's come first, as its adapter for PostgreSQL makes them, and only where it has not
-- been before. Times of this project's own tables are text, in which they sort by time, and so is
-- all that a list is in the order of: collate "C" compares it byte by byte, as SQLite does.
create table if not exists "user" (
    "id" text not null primary key,
    "name" text not null,
    "email" text not null unique,
    "emailVerified" boolean not null,
    "image" text,
    "createdAt" timestamptz default current_timestamp not null,
    "updatedAt" timestamptz default current_timestamp not null
);
create table if not exists "session" (
    "id" text not null primary key,
    "expiresAt" timestamptz not null,
    "token" text not null unique,
    "createdAt" timestamptz default current_timestamp not null,
    "updatedAt" timestamptz not null,
    "ipAddress" text,
    "userAgent" text,
    "userId" text not null references "user" ("id") on delete cascade,
    "activeOrganizationId" text
);
-- Where better-auth was first, and without its organization plugin, a session has no such.
alter table "session" add column if not exists "activeOrganizationId" text;
create index if not exists "session_userId_idx" on "session" ("userId");
create table if not exists "account" (
    "id" text not null primary key,
    "accountId" text not null,
    "providerId" text not null,
    "userId" text not null references "user" ("id") on delete cascade,
    "accessToken" text,
    "refreshToken" text,
    "idToken" text,
    "accessTokenExpiresAt" timestamptz,
    "refreshTokenExpiresAt" timestamptz,
    "scope" text,
    "password" text,
    "createdAt" timestamptz default current_timestamp not null,
    "updatedAt" timestamptz not null
);
create index if not exists "account_userId_idx" on "account" ("userId");
create table if not exists "verification" (
    "id" text not null primary key,
    "identifier" text not null,
    "value" text not null,
    "expiresAt" timestamptz not null,
    "createdAt" timestamptz default current_timestamp not null,
    "updatedAt" timestamptz default current_timestamp not null
);
create index if not exists "verification_identifier_idx" on "verification" ("identifier");
create table if not exists "organization" (
    "id" text not null primary key,
    "name" text not null,
    "slug" text not null unique,
    "logo" text,
    "createdAt" timestamptz not null,
    "metadata" text
);
create table if not exists "member" (
    "id" text not null primary key,
    "organizationId" text not null references "organization" ("id") on delete cascade,
    "userId" text not null references "user" ("id") on delete cascade,
    "role" text not null,
    "createdAt" timestamptz not null
);
create index if not exists "member_organizationId_idx" on "member" ("organizationId");
create index if not exists "member_userId_idx" on "member" ("userId");
create table if not exists "invitation" (
    "id" text not null primary key,
    "organizationId" text not null references "organization" ("id") on delete cascade,
    "email" text not null,
    "role" text,
    "status" text not null,
    "expiresAt" timestamptz not null,
    "createdAt" timestamptz default current_timestamp not null,
    "inviterId" text not null references "user" ("id") on delete cascade
);
create index if not exists "invitation_organizationId_idx" on "invitation" ("organizationId");
create index if not exists "invitation_email_idx" on "invitation" ("email");

-- A time of better-auth's as records and cursors have it, to the millisecond: lists are in its
-- order. A column may have microseconds, so a row could be neither before nor after a cursor.
-- `to_char` is not immutable, since other forms than this one depend on settings.
create function hookstream_time(timestamptz) returns text language sql
    immutable strict parallel safe
    as $$ select to_char($1 at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;
create index if not exists "hookstream_session_expiresAt" on "session" ("expiresAt");
create index if not exists "hookstream_verification_expiresAt" on "verification" ("expiresAt");
create index if not exists "hookstream_member_of_user" on "member" ("userId", "createdAt", "id");
create index if not exists "hookstream_member_role"
    on "member" ("userId", "organizationId", "role");
create index if not exists "hookstream_member_list_of_user"
    on "member" ("userId", (hookstream_time("createdAt") collate "C"), "id");
create index if not exists "hookstream_member_of_organization"
    on "member" ("organizationId", (hookstream_time("createdAt") collate "C"), "id");
create index if not exists "hookstream_member_owner"
    on "member" ("organizationId", "role") where strpos("role", 'owner') > 0;

create table environment (
    id text collate "C" primary key,
    org_id text collate "C" not null references organization (id) on delete cascade,
    name text not null,
    slug text not null,
    mode text not null check (mode in ('live', 'test')),
    created_at text collate "C" not null,
    deleted_at text collate "C",
    unique (org_id, slug)
);
create index environment_of_org on environment (org_id, created_at, id) where deleted_at is null;
create index environment_deleted on environment (deleted_at) where deleted_at is not null;

create table api_key (
    id text collate "C" primary key,
    digest bytea not null unique check (length(digest) = 32),
    org_id text collate "C" not null references organization (id) on delete cascade,
    env_id text collate "C" not null references environment (id) on delete cascade,
    name text not null,
    prefix text not null check (length(prefix) = 12),
    scopes text not null,
    created_by text collate "C",
    created_at text collate "C" not null,
    revoked_at text collate "C",
    enabled smallint not null default 1 check (enabled in (0, 1)),
    expires_at text collate "C",
    allowed_ips text not null default '',
    metadata text not null default '{}',
    external_id text,
    revocation_reason text,
    rate_limit text,
    role text,
    restricted_by text not null default '{}',
    -- The class of `key_class.py`.
    key_class smallint not null generated always as (
        case when revoked_at is not null then 3 when enabled = 0 then 2
             when expires_at is not null then 1 else 0 end) stored
);
create index api_key_env on api_key (env_id, key_class, created_at, id);
create index api_key_org on api_key (org_id, key_class, created_at, id);
create index api_key_name on api_key (org_id, name, created_at, id);
create index api_key_created_by on api_key (created_by, org_id, created_at, id)
    where created_by is not null;
create index api_key_expiring on api_key (env_id, expires_at)
    where revoked_at is null and expires_at is not null;
create index api_key_disabled on api_key (env_id)
    where revoked_at is null and enabled = 0 and expires_at is null;

create table rotation (
    id text collate "C" primary key,
    key_id text collate "C" not null references api_key (id) on delete cascade,
    digest bytea not null unique check (length(digest) = 32),
    prefix text not null check (length(prefix) = 12),
    state text not null check (state in ('pending', 'grace', 'cancelled')),
    grace_period_seconds integer not null check (grace_period_seconds >= 0),
    sets_expiry smallint not null check (sets_expiry in (0, 1)),
    expires_at text collate "C",
    created_at text collate "C" not null,
    created_by text collate "C",
    activated_at text collate "C",
    cancelled_at text collate "C",
    restricted_by text
);
create index rotation_key on rotation (key_id, created_at, id);
create unique index rotation_pending on rotation (key_id) where state = 'pending';
create index rotation_cancelled on rotation (cancelled_at) where state = 'cancelled';
create index rotation_grace on rotation (expires_at) where state = 'grace';
create index rotation_in_grace on rotation (key_id, expires_at) where state = 'grace';
create index rotation_succession on rotation (key_id, activated_at, id) where state = 'grace';
create index rotation_created_by on rotation (created_by)
    where created_by is not null and state <> 'cancelled';
create index rotation_pending_by on rotation (created_by, id)
    where created_by is not null and state = 'pending';

create table key_usage (
    key_id text collate "C" not null references api_key (id) on delete cascade,
    outcome text collate "C" not null,
    count bigint not null check (count > 0),
    last_at text collate "C" not null,
    last_ip text,
    primary key (key_id, outcome)
);

create table receipt (
    id bytea primary key check (length(id) = 32),
    fingerprint bytea not null check (length(fingerprint) = 32),
    sealed bytea not null,
    created_at text collate "C" not null
);
create index receipt_age on receipt (created_at);

create table pending_deletion (
    id text collate "C" primary key,
    kind text not null check (kind in ('environment', 'organization')),
    org_id text collate "C" not null,
    deleted_at text collate "C" not null,
    reason text not null,
    user_id text,
    api_key_id text,
    ip_address text,
    request_id text not null,
    keys_revoked bigint not null default 0 check (keys_revoked >= 0),
    batches bigint not null default 0 check (batches >= 0)
);

create table pending_revocation (
    id text collate "C" primary key,
    made_by text collate "C" not null,
    org_id text collate "C" not null,
    reason text not null,
    cause text not null,
    kept_role text,
    begun_at text collate "C" not null,
    user_id text,
    api_key_id text,
    ip_address text,
    request_id text not null,
    creator text collate "C" not null,
    after_created_at text collate "C" not null,
    after_id text collate "C" not null,
    after_rotation text collate "C" not null,
    is_complete smallint not null check (is_complete in (0, 1)),
    keys_revoked bigint not null check (keys_revoked >= 0),
    batches bigint not null default 0 check (batches >= 0)
);

-- A chain for each organization, and one, with an empty id, for what is of none.
create table audit_log (
    seq bigint not null,
    id text collate "C" not null unique,
    org_id text collate "C" not null,
    env_id text,
    user_id text,
    api_key_id text,
    action text collate "C" not null,
    resource_type text not null,
    resource_id text collate "C" not null,
    details text not null,
    ip_address text,
    request_id text not null,
    created_at text not null,
    hash text not null check (length(hash) = 64),
    primary key (org_id, seq)
);
create index audit_log_env on audit_log (org_id, env_id, seq);
create index audit_log_resource on audit_log (org_id, resource_id, seq);
create index audit_log_action on audit_log (org_id, action, seq);

create table audit_head (
    org_id text collate "C" primary key,
    seq bigint not null,
    hash text not null check (length(hash) = 64)
);
-- The trunk: the events from before the organizations' chains, which all begin after its last one.
-- It has rows where the log is from a SQLite database, in which one chain has all events.
create table audit_trunk (
    id smallint primary key check (id = 1),
    seq bigint not null check (seq >= 0),
    hash text not null check (length(hash) = 64)
);
insert into audit_trunk (id, seq, hash) values (1, 0, repeat('0', 64));
-- Where the remaining rows begin, if some were pruned: after so many, of which the last has this
-- hash in a file, in which one chain has all rows.
create table audit_anchor (
    id smallint primary key check (id = 1),
    seq bigint not null check (seq >= 0),
    hash text not null check (length(hash) = 64)
);
insert into audit_anchor (id, seq, hash) values (1, 0, repeat('0', 64));
-- The same for each organization's chain of which rows were pruned.
create table audit_chain_anchor (
    org_id text collate "C" primary key,
    seq bigint not null check (seq > 0),
    hash text not null check (length(hash) = 64)
);
-- The heads that each seal was made of, by the id of its event.
create table audit_seal (
    seal text collate "C" not null,
    org_id text collate "C" not null,
    seq bigint not null,
    hash text not null check (length(hash) = 64),
    primary key (org_id, seq)
);
create index audit_seal_of on audit_seal (seal, org_id);
-- The state that pruned rows describe.
create table audit_checkpoint (
    checkpoint text collate "C" not null,
    kind text collate "C" not null,
    id text collate "C" not null,
    org_id text not null,
    presence smallint not null,
    since bigint not null,
    is_complete smallint not null,
    fields text not null,
    primary key (checkpoint, kind, id)
);

-- Rate limits are not kept over a crash of the server, and so need no log.
create unlogged table rate_limit (
    id bytea primary key check (length(id) = 16),
    -- Nanoseconds since 1970, by the database's clock.
    empty_at bigint not null,
    interval bigint not null check (interval > 0),
    -- What a writer expects `empty_at` to be.
    expected bigint not null
)
;

-- The processes that use this database, and its servers' timelines: see `fencing.py`.
create table node (
    id text collate "C" primary key,
    seen_at timestamptz not null,
    -- Fingerprints of the secrets that it accepts; it signs with the first.
    secrets text[]
);
create table timeline (
    id integer primary key,
    since timestamptz not null default clock_timestamp()
)
