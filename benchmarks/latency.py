"""A way to a lab host that is as long as one wishes: a relay for SSH that holds back what passes it, in both directions.

The kernel of a test machine may have no netem, so the delay is made here. Opening a connection costs one round trip, as TCP's
handshake does.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab import hosts, paths

SSH_PORT = 22
_CHUNK = 65536
_SECONDS = 10.0


@dataclass(frozen=True)
class Way:
    """How to log in to a host through the relay.

    Args:
        host: the lab host.
        port: the relay's, on this machine.
    """

    host: hosts.Host
    port: int

    @property
    def ansible(self) -> dict[str, object]:
        """Variables that lead Ansible this way; the host's key is known by the host's own address."""
        known = f"-o UserKnownHostsFile={paths.KNOWN_HOSTS} -o IdentitiesOnly=yes -o HostKeyAlias={self.host.address}"
        return {"ansible_host": "127.0.0.1", "ansible_port": self.port, "ansible_ssh_common_args": known}

    @property
    def ssh(self) -> list[str]:
        """Words for ssh, before those that log in to the host."""
        return ["-o", f"HostKeyAlias={self.host.address}", "-o", "HostName=127.0.0.1", "-p", str(self.port)]


@contextmanager
def relay(host: hosts.Host, round_trip: float) -> Iterator[Way]:
    """Relay SSH connections to a host during the block; `round_trip` is in seconds."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(_listen(host, round_trip), loop).result(_SECONDS)
        try:
            yield Way(host, server.sockets[0].getsockname()[1])
        finally:
            asyncio.run_coroutine_threadsafe(_end(server), loop).result(_SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_SECONDS)
        loop.close()


async def _listen(host: hosts.Host, round_trip: float) -> asyncio.Server:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip)
        there, back = await asyncio.open_connection(str(host.address), SSH_PORT)
        try:
            await asyncio.gather(_pass_on(reader, back, round_trip / 2), _pass_on(there, writer, round_trip / 2))
        except OSError:
            pass  # one end is gone
        finally:
            back.close()
            writer.close()

    return await asyncio.start_server(accept, "127.0.0.1", 0)


async def _end(server: asyncio.Server) -> None:
    """Accept no more connections, and end those that are left."""
    server.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Write what was read, each chunk `delay` seconds later, until the end of the stream."""
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    asyncio.current_task()

    async def read() -> None:
        while True:
            chunk = await reader.read(_CHUNK)
            await held.put((time.monotonic() + delay, chunk))
            if not chunk:
                return

    async def write() -> None:
        while True:
            due, chunk = await held.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not chunk:
                writer.write_eof()  # the other direction may go on
                return
            writer.write(chunk)

    await asyncio.gather(read(), write())
