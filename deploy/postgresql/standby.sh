#!/bin/sh
# Runs a standby: standby.sh CONNECTION [OPTION OF postgres]...
# CONNECTION names the primary and the role. The first start copies the primary's data.
set -eu
primary=$1
shift

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # In a folder beside it: a copy that was interrupted is never taken for data.
  rm -rf "$PGDATA.new"
  # It becomes part of primary_conninfo, in the data folder, which only PostgreSQL's user can read.
  PGPASSWORD=$(cat "${SECRETS:-/run/secrets}/replicator_password")
  export PGPASSWORD
  pg_basebackup --dbname="$primary" --pgdata="$PGDATA.new" --wal-method=stream \
    --checkpoint=fast --write-recovery-conf
  unset PGPASSWORD
  mv "$PGDATA.new" "$PGDATA"
fi
exec postgres "$@"
