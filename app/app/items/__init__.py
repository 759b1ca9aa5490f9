"""Items: stored in PostgreSQL, cached in Redis, announced on a Redis channel."""
