"""W3C trace context: https://www.w3.org/TR/trace-context/ (level 1)."""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?"
)
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class Trace:
    """The ids of the request at hand: trace_id of 32 hex digits, span_id of 16, flags of 2."""

    trace_id: str
    span_id: str
    flags: str = "00"

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


current_trace: ContextVar[Trace | None] = ContextVar("current_trace", default=None)


def continue_trace(traceparents: list[str]) -> Trace:
    """A new span in the caller's trace, or in a new trace when the caller's header is absent or invalid.

    traceparents: every value of the header `traceparent`; more than one is invalid.
    """
    match = _TRACEPARENT.fullmatch(traceparents[0].strip()) if len(traceparents) == 1 else None
    if match is None or not _is_valid(match):
        return Trace(_new_id(16), _new_id(8))
    return Trace(match["trace"], _new_id(8), f"{int(match['flags'], 16) & _SAMPLED:02x}")


def _is_valid(match: re.Match[str]) -> bool:
    if match["version"] == "ff" or (match["version"] == "00" and match["rest"]):
        return False
    return int(match["trace"], 16) != 0 and int(match["span"], 16) != 0


def _new_id(size: int) -> str:
    while True:
        if any(raw := secrets.token_bytes(size)):
            return raw.hex()
