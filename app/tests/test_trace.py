import httpx
import pytest

from app.trace import continue_trace

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("headers", "flags"),
    [
        ([VALID], "01"),
        ([f" {VALID} "], "01"),
        ([f"00-{TRACE}-{SPAN}-00"], "00"),
        ([f"00-{TRACE}-{SPAN}-ff"], "01"),
        ([f"cc-{TRACE}-{SPAN}-01"], "01"),
        ([f"cc-{TRACE}-{SPAN}-01-what-the-future-adds"], "01"),
    ],
)
def test_valid_headers_continue_the_trace(headers: list[str], flags: str) -> None:
    trace = continue_trace(headers)
    assert (trace.trace_id, trace.flags) == (TRACE, flags)
    assert trace.span_id != SPAN
    assert trace.traceparent == f"00-{TRACE}-{trace.span_id}-{flags}"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        [VALID, VALID],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"{VALID}-more"],
        [f"cc-{TRACE}-{SPAN}-01.more"],
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [VALID.upper()],
        [VALID[:-1]],
        [f"00-{TRACE}-{SPAN}"],
        [f"00-{TRACE[:-1]}g-{SPAN}-01"],
        [f"{VALID}\nx"],
    ],
)
def test_invalid_headers_start_a_new_trace(headers: list[str]) -> None:
    trace, other = continue_trace(headers), continue_trace(headers)
    assert TRACE not in (trace.trace_id, other.trace_id)
    assert trace.trace_id != other.trace_id
    assert (len(trace.trace_id), len(trace.span_id), trace.flags) == (32, 16, "00")


@pytest.mark.anyio
async def test_every_response_carries_trace_and_release(client: httpx.AsyncClient) -> None:
    for path in ("/health", "/ready", "/metrics", "/nowhere", "/items/lamp", "/docs", "/openapi.json"):
        response = await client.get(path, headers={"traceparent": VALID})
        assert response.headers["traceparent"].split("-")[1] == TRACE
        assert response.headers["X-Release"] == "dev"
