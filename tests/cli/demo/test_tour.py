from __future__ import annotations

import shlex

from service.cli.demo.serving import curl_command
from service.cli.demo.tour import _next_steps


def test_the_printed_commands_send_the_key_where_there_is_one_and_do_not_show_it() -> None:
    plain, with_key = (_next_steps("http://127.0.0.1:8000", curl_command(has_key)) for has_key in (False, True))
    assert "Authorization" not in plain
    assert "http://127.0.0.1:8000/ui" in plain
    commands = [line for line in with_key.splitlines() if "curl" in line]
    assert len(commands) == 7
    for command in commands:
        assert shlex.split(command.rstrip("\\"))[:3] == ["curl", "-H", "Authorization: Bearer $NEARBIT_ADMIN_KEY"]
