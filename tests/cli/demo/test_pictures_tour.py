from __future__ import annotations

import shlex
from pathlib import Path

from service.cli.demo.pictures_tour import _next_steps
from service.cli.demo.serving import curl_command


def test_the_printed_commands_send_the_key_where_there_is_one_and_do_not_show_it() -> None:
    url, query = "http://127.0.0.1:8000", Path("var/demo-images/query.png")
    assert "Authorization" not in _next_steps(url, curl_command(with_key=False), query)
    commands = [line for line in _next_steps(url, curl_command(with_key=True), query).splitlines() if "curl" in line]
    assert len(commands) == 5
    for command in commands:
        assert shlex.split(command.rstrip("\\"))[:3] == ["curl", "-H", "Authorization: Bearer $NEARBIT_ADMIN_KEY"]
