#!/bin/sh
# First start: make the cluster, its user and database, and run /docker-entrypoint-initdb.d. Then become the server.
set -eu

first_start() {
  user=${POSTGRES_USER:-postgres}
  database=${POSTGRES_DB:-$user}
  password=${POSTGRES_PASSWORD:-}
  [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || password=$(cat "$POSTGRES_PASSWORD_FILE")
  [ -n "$password" ] || { echo 'docker-entrypoint: POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE must be set for the first start' >&2; exit 1; }
  printf '%s\n' "$password" >/tmp/password
  initdb --username="$user" --pwfile=/tmp/password >&2
  rm /tmp/password
  printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  # No TCP until the cluster is complete: who waits for the port must not find a half-made database.
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start >&2
  if [ "$database" != postgres ]; then
    echo 'CREATE DATABASE :"name";' | psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$user" --dbname postgres -v name="$database" >&2
  fi
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ ! -e "$file" ] || psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$user" --dbname "$database" -f "$file" >&2
  done
  pg_ctl -D "$PGDATA" -m fast -w stop >&2
}

case ${1-} in -*) set -- postgres "$@" ;; esac
if [ "${1-}" = postgres ]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  if [ "$(id -u)" = 0 ]; then
    chown -R postgres "$PGDATA" /run/postgresql
    exec /usr/bin/setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
  fi
  [ -s "$PGDATA/PG_VERSION" ] || first_start
fi
exec "$@"
