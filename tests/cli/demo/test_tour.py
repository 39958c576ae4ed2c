from __future__ import annotations

import shlex

from service.cli.demo.tour import _next_steps, _reachable


def test_the_printed_commands_send_the_key_where_there_is_one_and_do_not_show_it() -> None:
    plain, with_key = (_next_steps("http://127.0.0.1:8000", has_key) for has_key in (False, True))
    assert "Authorization" not in plain
    commands = [line for line in with_key.splitlines() if "curl" in line]
    assert len(commands) == 7
    for command in commands:
        assert shlex.split(command.rstrip("\\"))[:3] == ["curl", "-H", "Authorization: Bearer $NEARBIT_ADMIN_KEY"]


def test_a_service_that_listens_everywhere_is_reached_on_this_machine() -> None:
    hosts = ["127.0.0.1", "localhost", "0.0.0.0", "::", "::1"]
    assert [_reachable(host) for host in hosts] == ["127.0.0.1", "localhost", "127.0.0.1", "[::1]", "[::1]"]
