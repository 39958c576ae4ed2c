from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from service.errors import ConfigurationError
from service.processes.serve import listening_on_file


def test_a_unix_socket_is_listened_on_and_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "nearbit.sock"
    with listening_on_file(path):
        assert stat.S_ISSOCK(path.stat().st_mode)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        with pytest.raises(ConfigurationError, match="cannot listen on"), listening_on_file(path):
            pass
    assert not path.exists()


def test_a_unix_socket_that_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "nearbit.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with listening_on_file(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.parametrize("name", ["a file", "no/such/folder", "x" * 200])
def test_what_is_no_place_for_a_unix_socket_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").write_text("precious")
    with pytest.raises(ConfigurationError, match="cannot listen on"), listening_on_file(tmp_path / name):
        pass
    assert (tmp_path / "a file").read_text() == "precious"
