"""What the clients send and get, and the two ways an exchange can go wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

USER_AGENT = "fairlead-probe"


class Failed(Exception):
    """The request was not answered with success; the text says how."""


class NotProcessed(Exception):
    """The server said, as HTTP/2 lets it, that it did not process the request; only then may it be sent again."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `body` is JSON when there is one."""

    method: str
    path: str
    body: bytes = b""

    def headers(self) -> list[tuple[str, str]]:
        """Header fields besides the host, in lower case as HTTP/2 wants them."""
        fields = [("user-agent", USER_AGENT), ("accept", "*/*")]
        if self.body:
            fields += [("content-type", "application/json"), ("content-length", str(len(self.body)))]
        return fields


@dataclass(slots=True)
class Reply:
    """One complete answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytearray = field(default_factory=bytearray)


def never_wrong(_: Reply) -> None:
    """Accept any complete reply."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request and the check of its reply, which raises Failed when the reply is not what was asked for."""

    request: Request
    check: Callable[[Reply], object] = never_wrong


def expect_status(reply: Reply, expected: int) -> None:
    """Raise Failed when the reply has another status than `expected`."""
    if reply.status != expected:
        raise Failed(f"status {reply.status}, expected {expected}")
