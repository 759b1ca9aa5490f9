"""Tests against a real PostgreSQL and Redis; start them with `tests/run`."""
