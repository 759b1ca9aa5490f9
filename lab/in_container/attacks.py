"""Attacks from inside the reference app's container: `python3 - NAME [ARGUMENT…]`. Prints what became of it as JSON.

Each is bounded, and puts back what it changed when it ends, also by an interrupt.
"""

import asyncio
import ctypes
import errno
import json
import os
import socket
import stat
import sys
import time
from pathlib import Path

import asyncpg
from app.database import database_url
from app.settings import load_settings

SOCKET = Path("/run/fairlead/api.sock")
ASIDE = Path("/run/fairlead/api.sock.aside")
FILL_BYTES = 64 * 1024 * 1024
FLOOD_BYTES = 80 * 1024 * 1024
FORKS = 600
CONNECTIONS = 150


def replaced(seconds: str, how: str, *words: str) -> object:
    """Put a link, a FIFO or a device in the place of the app's socket for some seconds."""
    SOCKET.rename(ASIDE)
    try:
        if how == "link":
            SOCKET.symlink_to(words[0])
        elif how == "fifo":
            os.mkfifo(SOCKET)
        else:
            os.mknod(SOCKET, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero never ends
        print("in place", flush=True)
        time.sleep(float(seconds))
        return "in place"
    finally:
        SOCKET.unlink(missing_ok=True)
        ASIDE.rename(SOCKET)


def files() -> object:
    """Fill the only directory outside of its own memory that the app can write to, with data and then with empty files."""
    directory, written, made = SOCKET.parent / "fill", 0, 0
    directory.mkdir()
    try:
        with (directory / "data").open("wb", buffering=0) as file:
            while written < FILL_BYTES:
                written += file.write(bytes(65536))
    except OSError:
        pass
    try:
        (directory / "data").unlink()
        while made < 10_000:
            (directory / str(made)).touch()
            made += 1
    except OSError:
        pass
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    return {"bytes": written, "files": made}


def output() -> object:
    """Write as much as it can to the container's log, escape sequences and a line without an end among it."""
    written = 0
    with Path("/proc/1/fd/1").open("wb", buffering=0) as log:
        log.write(b"\x1b]0;owned\x07\x1b[2J\x00" + b"x" * 1_500_000 + b"\n")
        line = b"flood " * 200 + b"\n"
        while written < FLOOD_BYTES:
            written += log.write(line * 50)
    return written


def forks() -> object:
    """Start processes until it is refused."""
    children = []
    try:
        while len(children) < FORKS:
            child = os.fork()
            if child == 0:
                time.sleep(20)
                os._exit(0)
            children.append(child)
    except OSError as error:
        return {"processes": len(children), "error": errno.errorcode[error.errno or 0]}
    finally:
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)
    return {"processes": len(children), "error": None}


def _gateway() -> str:
    """Return the host's address in the container's network."""
    routes = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    address = next(route[2] for route in routes if route[1] == "00000000")
    return socket.inet_ntoa(bytes.fromhex(address)[::-1])


def connect(*targets: str) -> object:
    """Open a TCP connection to each `host:port`; the host `gateway` is the machine itself."""
    found = {}
    for target in targets:
        host, port = target.replace("gateway", _gateway()).rsplit(":", 1)
        try:
            with socket.create_connection((host, int(port)), timeout=2):
                found[target] = "connected"
        except OSError as error:
            found[target] = type(error).__name__
    return found


def sockets() -> object:
    """Name everything that looks like a socket of somebody else's."""
    places = ("/run", "/var/run", "/var/lib/fairlead", "/opt/fairlead", "/etc/caddy")
    return sorted(str(path) for place in places for path in Path(place).rglob("*") if path.is_socket() and not path.samefile(SOCKET))


def escape() -> object:
    """Try what a container may not: new mounts, other namespaces, kernel modules, raw sockets, the engine's socket."""
    library = ctypes.CDLL(None, use_errno=True)
    tries = {
        "mount": lambda: library.mount(b"none", b"/tmp", b"tmpfs", 0, None),
        "unshare": lambda: library.unshare(0x10000000 | 0x00020000),
        "setuid": lambda: library.setuid(0),
    }
    done = {name: "done" if attempt() == 0 else "refused" for name, attempt in tries.items()}
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
        done["raw socket"] = "done"
    except OSError:
        done["raw socket"] = "refused"
    done["engine"] = "done" if Path("/var/run/docker.sock").exists() else "refused"
    return done


def database() -> str:
    """Return the address of the app's database, as the app logs in."""
    return database_url(load_settings()).set(drivername="postgresql").render_as_string(hide_password=False)


async def _statements(*texts: str) -> object:
    found = {}
    for statement in texts:
        connection = await asyncpg.connect(database())
        try:
            found[statement] = await connection.execute(statement)
        except asyncpg.PostgresError as error:
            found[statement] = type(error).__name__
        finally:
            await connection.close()
    return found


def statements(*texts: str) -> object:
    """Run each statement as the app's role, in a session of its own."""
    return asyncio.run(_statements(*texts))


async def _held(seconds: str, *texts: str) -> object:
    connection = await asyncpg.connect(database())
    for statement in texts:
        await connection.execute(statement)
    print("in place", flush=True)
    await asyncio.sleep(float(seconds))
    await connection.close()
    return "held"


def held(seconds: str, *texts: str) -> object:
    """Keep a session open in which these statements were run."""
    return asyncio.run(_held(seconds, *texts))


async def _connections(seconds: str) -> object:
    opened = []
    problem = None
    try:
        while len(opened) < CONNECTIONS:
            opened.append(await asyncpg.connect(database()))
    except asyncpg.PostgresError as error:
        problem = type(error).__name__
    print("in place", flush=True)
    await asyncio.sleep(float(seconds))
    for connection in opened:
        await connection.close()
    return {"connections": len(opened), "error": problem}


def connections(seconds: str) -> object:
    """Take as many connections to the database as there are, and keep them for some seconds."""
    return asyncio.run(_connections(seconds))


if __name__ == "__main__":
    attack = globals()[sys.argv[1]]
    try:
        print(json.dumps(attack(*sys.argv[2:])))
    except OSError as error:
        print(json.dumps({"error": errno.errorcode.get(error.errno or 0, str(error))}))
    except KeyboardInterrupt:
        print(json.dumps("ended"))
