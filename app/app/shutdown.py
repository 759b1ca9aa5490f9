"""The news that this process is about to stop."""

import asyncio


class Shutdown:
    """Set by the server when it stops accepting connections; endless responses must then end by themselves."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    def begin(self) -> None:
        self._begun.set()

    async def wait(self) -> None:
        await self._begun.wait()
