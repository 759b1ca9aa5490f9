"""The reference service "shop": items kept in PostgreSQL, cached in and announced through Redis."""
