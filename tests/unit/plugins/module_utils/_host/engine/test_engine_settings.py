"""daemon.json is shared: nothing of others is overwritten, and no app undoes what another one needs."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.engine_settings import (
    Claims,
    changed_keys,
    merge,
    needs_restart,
)

LOG = {"log-driver": "json-file", "log-opts": {"max-size": "10m"}}


@pytest.mark.parametrize(
    ("host", "wanted", "merged"),
    [
        ({}, {"live-restore": True}, {"live-restore": True}),
        ({"data-root": "/srv"}, {"live-restore": True}, {"data-root": "/srv", "live-restore": True}),
        ({"live-restore": False}, {"live-restore": True}, {"live-restore": False}),
        ({}, {"registry-mirrors": []}, {}),
        ({"registry-mirrors": ["a", "b"]}, {"registry-mirrors": []}, {"registry-mirrors": ["a", "b"]}),
        ({"registry-mirrors": ["a", "b"]}, {"registry-mirrors": ["b", "c"]}, {"registry-mirrors": ["a", "b", "c"]}),
        ({}, LOG, LOG),
        ({"log-driver": "journald"}, LOG, {"log-driver": "journald"}),
        ({"log-opts": {"max-size": "1m"}}, LOG, {"log-opts": {"max-size": "1m"}}),
    ],
)
def test_what_is_there_is_kept_and_what_is_missing_is_added(host: dict[str, Any], wanted: dict[str, Any], merged: dict[str, Any]) -> None:
    assert merge(host, Claims(wanted))[0] == merged
    assert merge(merged, Claims(wanted))[0] == merged, "the second run changes nothing"


@pytest.mark.parametrize(
    ("before", "others", "owned", "value"),
    [
        ({"log-level": "info"}, [], False, "warn"),  # what the app itself set
        ({}, [], False, "info"),  # somebody's
        ({}, [], True, "warn"),  # an engine of this collection, edited by hand
        ({"log-level": "info"}, [{"log-level": "info"}], True, "info"),  # another app wants it so
    ],
)
def test_a_value_is_replaced_by_whom_it_belongs_to(before: dict[str, Any], others: list[dict[str, Any]], owned: bool, value: str) -> None:
    merged, differences = merge({"log-level": "info"}, Claims({"log-level": "warn"}, before, others, owned=owned))
    assert merged == {"log-level": value}
    assert [str(one) for one in differences] == ["log-level: the host has 'info', the inventory wants 'warn'"] * (value == "info")


def test_two_apps_never_undo_each_other() -> None:
    shop = {"registry-mirrors": ["https://a"], "live-restore": True}
    blog: dict[str, Any] = {"registry-mirrors": [], "live-restore": True}
    host, _ = merge({}, Claims(shop))
    for _ in range(2):
        assert merge(host, Claims(blog, others=[shop]))[0] == host
        assert merge(host, Claims(shop, shop, [blog]))[0] == host


def test_what_only_this_app_wanted_goes_when_it_is_not_wanted_any_more() -> None:
    before = {"registry-mirrors": ["a", "b"], "mtu": 1400, "debug": True}
    host = {"registry-mirrors": ["a", "b", "c"], "mtu": 1400, "debug": True}
    others = [{"registry-mirrors": ["b"], "debug": True}]
    merged, differences = merge(host, Claims({"registry-mirrors": []}, before, others))
    assert merged == {"registry-mirrors": ["b", "c"], "debug": True}
    assert differences == []


def test_what_is_given_as_a_flag_is_not_given_twice() -> None:
    flags = frozenset({"registry-mirror", "log-driver", "host"})
    assert merge({}, Claims({"registry-mirrors": ["a"], "live-restore": True, **LOG}, flags=flags))[0] == {"live-restore": True}


def test_an_engine_of_others_only_gets_what_is_needed() -> None:
    merged, differences = merge({}, Claims({"live-restore": True, "no-new-privileges": True}, only=frozenset({"live-restore"})))
    assert (merged, differences) == ({"live-restore": True}, [])


@pytest.mark.parametrize(
    ("after", "keys", "restart"),
    [
        ({"a": 1}, [], False),
        ({"a": 1, "live-restore": True, "registry-mirrors": []}, ["live-restore", "registry-mirrors"], False),
        ({"live-restore": True}, ["a", "live-restore"], True),
    ],
)
def test_what_a_reload_is_not_enough_for(after: dict[str, Any], keys: list[str], restart: bool) -> None:
    assert changed_keys({"a": 1}, after) == keys
    assert needs_restart(keys) is restart
