#!/usr/bin/env bash
# First start: make the cluster, its user and database, and run /docker-entrypoint-initdb.d. Then become the server.
set -Eeo pipefail

fail() { printf 'docker-entrypoint: %s\n' "$*" >&2; exit 1; }

# value NAME DEFAULT: $NAME, or the content of the file that ${NAME}_FILE names.
value() {
  local plain=${!1-} file_name=$1_FILE
  local file=${!file_name-}
  [[ -z $plain || -z $file ]] || fail "both $1 and $file_name are set; set one of them"
  if [[ -n $file ]]; then cat "$file"; else printf '%s' "${plain:-$2}"; fi
}

prepare_folders() {
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  if [[ $(id -u) = 0 ]]; then
    find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
    find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
  fi
}

make_cluster() {
  if [[ -z $password && ${POSTGRES_HOST_AUTH_METHOD-} != trust ]]; then
    fail 'POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE must be set for the first start'
  fi
  # shellcheck disable=SC2086  # POSTGRES_INITDB_ARGS is a list of words by contract
  initdb --username="$user" --pwfile=<(printf '%s\n' "$password") ${POSTGRES_INITDB_ARGS-} >&2
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

run_sql() {
  psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$user" --no-password "$@"
}

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    # shellcheck source=/dev/null
    case $file in
      *.sh) if [[ -x $file ]]; then "$file"; else . "$file"; fi ;;
      *.sql) run_sql --dbname "$database" -f "$file" ;;
      *.sql.gz) gunzip -c "$file" | run_sql --dbname "$database" ;;
    esac
  done
}

first_start() {
  local user password database
  user=$(value POSTGRES_USER postgres)
  password=$(value POSTGRES_PASSWORD '')
  database=$(value POSTGRES_DB "$user")
  make_cluster
  # No TCP until the cluster is complete: who waits for the port must not find a half-made database.
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start >&2
  if [[ $database != postgres ]]; then
    run_sql --dbname postgres -v name="$database" <<<'CREATE DATABASE :"name";' >&2
  fi
  export POSTGRES_USER=$user POSTGRES_DB=$database
  run_init_files >&2
  pg_ctl -D "$PGDATA" -m fast -w stop >&2
}

if [[ ${1-} = -* ]]; then set -- postgres "$@"; fi
if [[ ${1-} = postgres ]]; then
  prepare_folders
  if [[ $(id -u) = 0 ]]; then exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"; fi
  [[ -s $PGDATA/PG_VERSION ]] || first_start
fi
exec "$@"
