#!/bin/sh
# Run once before a release gets traffic.
set -eu
cd "$(dirname "$0")/.."
exec python3 migrate.py
