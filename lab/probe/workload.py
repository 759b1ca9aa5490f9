"""Which requests are made, and what a right reply to each looks like."""

import json
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any, Protocol

from lab.probe.ledger import Ledger
from lab.probe.messages import Call, Failed, Reply, Request, expect_status

# In ten requests: seven on kept connections, one on a connection of its own, two over HTTP/2.
KINDS = ("keepalive", "keepalive", "http2", "keepalive", "fresh", "keepalive", "keepalive", "http2", "keepalive", "keepalive")
SHOP_METHODS = ("post", "item", "item", "list", "item", "item")
LIST_LIMIT = 5


class Workload(Protocol):
    """Makes the next request of a kind of traffic."""

    def next(self, kind: str) -> Call:
        """Return the next request of that kind."""


class Shop:
    """The reference app: creates items, reads them one by one and in lists."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._methods: dict[str, Iterator[str]] = {kind: cycle(SHOP_METHODS) for kind in sorted(set(KINDS))}

    def next(self, kind: str) -> Call:
        """Return the next request of that kind; POST until there is an item to read."""
        method, known = next(self._methods[kind]), self._ledger.recent()
        if method == "post" or known is None:
            return self._create()
        return _read_item(*known) if method == "item" else _read_list(known[0])

    def _create(self) -> Call:
        reference = self._ledger.new_reference()
        wanted = {"name": f"probe {reference}", "reference": reference}

        def check(reply: Reply) -> None:
            item = _item(reply, 201, wanted)
            self._ledger.acknowledge(reference, item["id"])

        return Call(Request("POST", "/items", json.dumps(wanted).encode()), check)


class Foreign:
    """Any image: GETs of some paths in turn, each to be answered 200."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = cycle(paths)

    def next(self, kind: str) -> Call:
        """Return a GET of the next path."""
        return Call(Request("GET", next(self._paths)), lambda reply: expect_status(reply, 200))


def parse_json(reply: Reply) -> Any:
    """Return the JSON value in the body. Raises Failed when it has none."""
    try:
        return json.loads(reply.body)
    except ValueError as error:
        raise Failed(f"wrong echo: no JSON: {_excerpt(reply)}") from error


def parse_items(reply: Reply) -> list[dict[str, Any]]:
    """Return the items of a list. Raises Failed unless the reply is 200 with a list of items in order of their ids."""
    expect_status(reply, 200)
    try:
        items: list[dict[str, Any]] = parse_json(reply)["items"]
        ids = [item["id"] for item in items]
    except (KeyError, TypeError) as error:
        raise Failed(f"wrong echo: no list of items: {_excerpt(reply)}") from error
    if not all(isinstance(item_id, int) for item_id in ids) or ids != sorted(ids):
        raise Failed("wrong echo: items are not in order of their ids")
    return items


def _read_item(item_id: int, reference: str) -> Call:
    wanted = {"id": item_id, "reference": reference}
    return Call(Request("GET", f"/items/{item_id}"), lambda reply: _item(reply, 200, wanted))


def _read_list(after: int) -> Call:
    def check(reply: Reply) -> None:
        items = parse_items(reply)
        if len(items) > LIST_LIMIT or any(item["id"] <= after for item in items):
            raise Failed(f"wrong echo: not at most {LIST_LIMIT} items after {after}")

    return Call(Request("GET", f"/items?after={after}&limit={LIST_LIMIT}"), check)


def _item(reply: Reply, status: int, wanted: dict[str, Any]) -> dict[str, Any]:
    expect_status(reply, status)
    item = parse_json(reply)
    if not isinstance(item, dict) or not isinstance(item.get("id"), int) or not wanted.items() <= item.items():
        raise Failed(f"wrong echo: {_excerpt(reply)}, expected {wanted}")
    return item


def _excerpt(reply: Reply) -> str:
    return repr(bytes(reply.body[:200]))
