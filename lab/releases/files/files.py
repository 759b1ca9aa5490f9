"""The reference app with files in /data: PUT and GET /files/<name>, and GET /starts from a SQLite database that has a single writer."""

import os
import sqlite3
from pathlib import Path

import app.main
from fastapi import FastAPI, HTTPException, Request, Response

DATA = Path("/data")


def open_alone() -> sqlite3.Connection:
    """Return a connection that nobody else can have beside it, with this start noted.

    Raises:
        sqlite3.OperationalError: another release has it.
    """
    database = sqlite3.connect(DATA / "app.db", timeout=0, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("BEGIN EXCLUSIVE")
    database.execute("CREATE TABLE IF NOT EXISTS starts (release text)")
    database.execute("INSERT INTO starts VALUES (?)", (os.environ["RELEASE"],))
    database.execute("COMMIT")
    return database


def create_app() -> FastAPI:
    service = app.main.create_app()
    alone = open_alone() if os.environ.get("SINGLE_WRITER") == "1" else None

    @service.put("/files/{name}", status_code=204)
    async def write(name: str, request: Request) -> None:
        (DATA / name).write_bytes(await request.body())

    @service.get("/files/{name}")
    async def read(name: str) -> Response:
        if not (DATA / name).is_file():
            raise HTTPException(404)
        return Response((DATA / name).read_bytes())

    @service.get("/starts")
    async def starts() -> list[str]:
        return [release for (release,) in alone.execute("SELECT release FROM starts ORDER BY rowid")] if alone else []

    return service
