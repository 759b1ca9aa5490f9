#!/bin/sh
set -eu
until python -c "import socket; socket.create_connection(('$DATABASE_HOST', 5432), 1)" 2>/dev/null; do sleep 1; done
exec "$@"
