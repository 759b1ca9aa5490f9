#!/bin/sh
# The yardstick: the steps of a deploy as somebody would write them down for one app, read by `sudo sh -s` over one SSH
# connection. Before it on standard input come the assignments of: app tag registry image user registry_password
# database_password migrator_password redis_password. Nothing here survives a failure, a second operator or a reboot half-way.
set -eu
umask 077
: "${app:?}" "${tag:?}" "${registry:?}" "${image:?}" "${user:?}" "${registry_password:?}" "${database_password:?}"
: "${migrator_password:?}" "${redis_password:?}"

home=/opt/fairlead/$app
public=/var/lib/fairlead/$app
keep=3

log_in() { printf '%s' "$registry_password" | docker login --username "$user" --password-stdin "$registry" >/dev/null 2>&1; }

next_release() {
  last=$(find "$home/releases" -mindepth 1 -maxdepth 1 -name 'r*' -printf '%f\n' | tr -d r | sort -n | tail -n 1)
  echo "r$((${last:-0} + 1))"
}

write_files() {
  mkdir -p "$bundle/secrets"
  printf '%s' "$database_password" >"$bundle/secrets/database_password"
  printf '%s' "$migrator_password" >"$bundle/secrets/migrator_password"
  printf '%s' "$redis_password" >"$bundle/secrets/redis_password"
  chown 10001 "$bundle"/secrets/*
  printf 'DATABASE_HOST=postgres\nDATABASE_NAME=%s\nDATABASE_USER=%s\nREDIS_HOST=redis\n' "$app" "$app" >"$bundle/app.env"
  write_compose >"$bundle/compose.yaml"
  install -d -o 10001 -g 20001 -m 2750 "$public/$release"
}

write_compose() {
  cat <<COMPOSE
x-app: &app
  image: $digest
  user: "10001:20001"
  init: true
  read_only: true
  tmpfs: ["/tmp:mode=1777,nosuid,nodev,noexec"]
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  mem_limit: 512m
  memswap_limit: 512m
  cpus: 1.0
  pids_limit: 256
  env_file: [app.env]
  logging: {driver: json-file, options: {max-size: 10m, max-file: "5"}}
  labels: {fairlead.app: $app, fairlead.release: $release}
  secrets: [database_password, redis_password]
  networks: [app, data]
  restart: "no"
services:
  api:
    <<: *app
    environment: {RELEASE: $release, BIND: "unix:/run/fairlead/api.sock"}
    stop_grace_period: 40s
    volumes: ["$public/$release:/run/fairlead"]
  migrate:
    <<: *app
    profiles: [migrate]
    command: [alembic, upgrade, head]
    environment: {RELEASE: $release, DATABASE_USER: ${app}_migrator}
    secrets: [{source: migrator_password, target: database_password}, redis_password]
    healthcheck: {disable: true}
networks:
  app: {name: $app, external: true}
  data: {name: $app-data, external: true}
secrets:
  database_password: {file: ./secrets/database_password}
  migrator_password: {file: ./secrets/migrator_password}
  redis_password: {file: ./secrets/redis_password}
COMPOSE
}

compose() { docker compose --project-name "$app-$release" --project-directory "$bundle" --progress quiet "$@" </dev/null; }

# Ask for readiness (curl's options as arguments); the answer must come from the new release.
answers() { curl --silent --show-error --fail --max-time 5 --dump-header - --output /dev/null "$@" | grep -qi "^x-release: $release"; }

await_ready() {
  good=0
  for _ in $(seq 600); do
    if answers --unix-socket "$public/$release/api.sock" "http://$app.lab/ready" 2>/dev/null; then good=$((good + 1)); else good=0; fi
    [ "$good" -ge 2 ] && return
    sleep 0.1
  done
  return 1
}

switch() {
  printf '%s\n' "$release" >"$public/.route"
  chmod 644 "$public/.route"
  mv "$public/.route" "$public/route"
}

verify() {
  answers --resolve "$app.lab:443:127.0.0.1" --cacert /var/lib/fairlead-edge/data/caddy/pki/authorities/local/root.crt "https://$app.lab/ready"
}

prune() {
  find "$home/releases" -mindepth 1 -maxdepth 1 -name 'r*' -printf '%f\n' | tr -d r | sort -rn | tail -n "+$((keep + 2))" |
    while read -r number; do
      docker rm --force --volumes "$app-r$number-api-1" >/dev/null
      rm -rf "$home/releases/r$number" "${public:?}/r$number"
    done
}

deploy() {
  log_in
  docker pull --quiet "$image:$tag" >/dev/null
  digest=$(docker image inspect --format '{{index .RepoDigests 0}}' "$image:$tag")
  old=$(docker ps --quiet --filter "label=fairlead.app=$app")
  release=$(next_release)
  bundle=$home/releases/$release
  write_files
  compose --profile migrate run --rm --no-deps --no-TTY migrate >/dev/null 2>&1
  compose up --detach --no-deps --pull never api
  await_ready
  docker update --restart unless-stopped "$app-$release-api-1" >/dev/null
  switch
  verify
  [ -z "$old" ] || docker stop --time 40 "$old" >/dev/null
  prune
  printf '%s %s %s %s\n' "$(date -Is)" "$release" "$tag" "$digest" >>"$home/script.log"
  docker logout "$registry" >/dev/null
}

deploy
exit
