"""Apply the files in migrations/ that the database has not had yet, all in one transaction."""

import os
from pathlib import Path

import psycopg2

with psycopg2.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS foreign_migrations (name text PRIMARY KEY)")
    cursor.execute("LOCK TABLE foreign_migrations")
    cursor.execute("SELECT name FROM foreign_migrations")
    done = {name for (name,) in cursor.fetchall()}
    for file in sorted(Path("migrations").glob("*.sql")):
        if file.name not in done:
            cursor.execute(file.read_text())
            cursor.execute("INSERT INTO foreign_migrations VALUES (%s)", (file.name,))
            print(f"applied {file.name}")
