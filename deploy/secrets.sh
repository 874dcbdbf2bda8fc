#!/bin/sh
# Makes the secrets that compose.yaml reads, once: random, in the folder secrets beside this file.
# Run it as root: each file belongs to the user of the container that reads it, and to no other.
set -eu
cd "$(dirname "$0")"
if [ "$(id -u)" != 0 ]; then
  echo 'secrets.sh: run it as root, since it gives the files to the users of the containers' >&2
  exit 1
fi
if [ -e secrets ]; then
  echo 'secrets.sh: the folder secrets exists; nothing was changed' >&2
  exit 1
fi
umask 077

random() {
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

mkdir secrets.new
cd secrets.new
for name in postgres_password replicator_password hookstream_password; do
  random >"$name"
done
printf '*:*:*:hookstream:%s\n' "$(cat hookstream_password)" >pgpass
printf 'BETTER_AUTH_SECRET=%s\n' "$(random)" >signing.env
# postgres of PostgreSQL's image, and hookstream of deploy/Dockerfile.
chown 999:999 postgres_password replicator_password hookstream_password
chown 10001:10001 pgpass
cd ..
mv secrets.new secrets
