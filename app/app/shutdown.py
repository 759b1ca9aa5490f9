"""The news that this process is about to stop."""

import asyncio


class Shutdown:
    """Set by the server when it stops accepting connections; endless responses must then end by themselves."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    @property
    def begun(self) -> bool:
        return self._begun.is_set()

    def begin(self) -> None:
        self._begun.set()

    async def wait(self) -> None:
        await self._begun.wait()
