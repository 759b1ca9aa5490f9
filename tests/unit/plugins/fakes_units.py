"""Stand-in for systemd, as far as releases are stopped by it."""

from collections.abc import Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished


class Units:
    """Units of this host. `begun` has the words of each order.

    A service runs until `end`. `takes` is whether systemd takes orders at all.
    """

    def __init__(self) -> None:
        self.active: set[str] = set()
        self.begun: list[str] = []
        self.takes = True

    def run(self, arguments: Sequence[str]) -> Finished:
        program, *words = arguments
        return Finished(self._begin(words) if program == "systemd-run" else self._control(*words), "", "")

    def end(self, release: str) -> None:
        """Have the service of a release end."""
        self.active.discard(f"fairlead-retire-shop-{release}.service")

    def _control(self, verb: str, *units: str) -> int:
        if verb == "stop":
            self.active.difference_update(units)
            return 0

        return 0 if self.active.intersection(units) else 3

    def _begin(self, words: list[str]) -> int:
        if not self.takes:
            return 1
        unit = next(word for word in words if word.startswith("--unit=")).partition("=")[2]
        after = next((word.partition("=")[2] for word in words if word.startswith("--on-active=")), "")
        self.active.add(f"{unit}.{'timer' if after else 'service'}")
        self.begun.append(f"{unit.rpartition('-')[2]}{f' in {after} s' if after else ''}")
        return 0
