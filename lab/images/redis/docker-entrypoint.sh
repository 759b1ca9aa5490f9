#!/bin/sh
# `redis -flag` and `redis some.conf` mean `redis-server …`; root gives its rights up before the server starts.
set -eu

case ${1-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . \! -user redis -exec chown redis '{}' +
  exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
fi

# The official image is built with protected mode off: the container's network is the boundary, not the loopback.
case "$*" in
  *--protected-mode* | 'redis-server -v' | 'redis-server --version' | 'redis-server --help') ;;
  redis-server*) set -- "$@" --protected-mode no ;;
esac
exec "$@"
