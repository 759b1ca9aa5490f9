"""Notes over HTTP on port 8080: GET /notes, POST /notes (the body is the text), /livez, /readyz."""

import json
import os
import signal
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg2

Rows = list[tuple[object, ...]]
URL = os.environ["DATABASE_URL"]
NEEDED = max(file.name for file in Path("migrations").glob("*.sql"))


def query(statement: str, *values: str) -> Rows:
    with psycopg2.connect(URL, connect_timeout=2) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = False  # the end waits for requests in flight


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        if self.path == "/livez":
            self.answer(200, {"alive": True})
        elif self.path == "/readyz":
            migration = "SELECT name FROM foreign_migrations WHERE name = %s"
            self.from_database(lambda: query(migration, NEEDED), needed=True)
        elif self.path == "/notes":
            self.from_database(lambda: query("SELECT id, text FROM notes ORDER BY id DESC LIMIT 20"))
        else:
            self.answer(404, {"error": f"no such page: {self.path}"})

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
        self.from_database(lambda: query("INSERT INTO notes (text) VALUES (%s) RETURNING id, text", text))

    def from_database(self, ask: Callable[[], Rows], needed: bool = False) -> None:
        try:
            rows = ask()
        except psycopg2.Error as error:
            self.answer(503, {"error": type(error).__name__})
        else:
            self.answer(503 if needed and not rows else 200, {"rows": rows, "version": os.environ["VERSION"]})

    def answer(self, code: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-App-Release", os.environ.get("RELEASE", "unknown"))
        self.send_header("Connection", "close")  # no idle connection to lose when the server ends
        self.end_headers()
        self.wfile.write(data)


server = Server(("0.0.0.0", 8080), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
