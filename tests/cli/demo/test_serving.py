from __future__ import annotations

from service.cli.demo.serving import _reachable


def test_a_service_that_listens_everywhere_is_reached_on_this_machine() -> None:
    hosts = ["127.0.0.1", "localhost", "0.0.0.0", "::", "::1"]
    assert [_reachable(host) for host in hosts] == ["127.0.0.1", "localhost", "127.0.0.1", "[::1]", "[::1]"]
