#!/bin/sh
# Makes the roles, the database and the settings of replication in a new cluster that listens on its
# Unix socket only. PostgreSQL's image runs it once, before the first start.
set -eu
export SECRETS="${SECRETS:-/run/secrets}"

# psql reads the passwords from their files, so that they are in no argument, and quotes them.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
    --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\set hookstream `cat "$SECRETS/hookstream_password"`
\set replicator `cat "$SECRETS/replicator_password"`
create role hookstream login password :'hookstream';
create role replicator login replication password :'replicator';
create database hookstream owner hookstream;
-- Each server by its cluster_name, so that the same holds after a failover. Not `*`: a program that
-- streams a backup would count as a standby. It takes effect with the next start: here a commit
-- would wait for a standby that is not there yet.
alter system set synchronous_standby_names = 'ANY 1 (postgres1, postgres2)';
-- So that pg_rewind can make a standby of a primary that was replaced.
alter system set wal_log_hints = on;
-- What a standby that was away for a while needs to catch up.
alter system set wal_keep_size = '1GB';
SQL

# `all`, the image's own line, is every database, but not replication.
echo 'host replication replicator all scram-sha-256' >>"$PGDATA/pg_hba.conf"
