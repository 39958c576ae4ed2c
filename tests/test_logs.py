import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import logging, structlog
from service.config import Settings
from service.logs import configure_logging
configure_logging(Settings(log_format={format!r}, log_level="info"))
log = structlog.get_logger("nearbit")
with structlog.contextvars.bound_contextvars(request_id="abc"):
    log.info("ours", n=1)
    logging.getLogger("uvicorn.error").warning("theirs %d", 2)
    log.debug("not written")
    try:
        secret = "the value of a variable"
        raise RuntimeError("broken")
    except RuntimeError:
        log.exception("failed")
"""


def written(format: str) -> str:
    command = [sys.executable, "-c", SCRIPT.format(format=format)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def test_json_lines_are_one_object_each_for_our_lines_and_those_of_libraries() -> None:
    ours, theirs, failed = (json.loads(line) for line in written("json").splitlines())
    assert (ours["event"], ours["n"], ours["level"], ours["request_id"]) == ("ours", 1, "info", "abc")
    assert (theirs["event"], theirs["level"], theirs["request_id"]) == ("theirs 2", "warning", "abc")
    assert failed["exception"][0]["exc_value"] == "broken"
    assert ours["timestamp"].endswith("Z")


def test_no_line_holds_the_values_of_variables() -> None:
    for format in ("json", "console"):
        lines = written(format)
        assert "broken" in lines
        assert "the value of a variable" not in lines.replace('secret = "the value of a variable"', "")
        assert "not written" not in lines


NASTY = """
import logging, structlog
from service.config import Settings
from service.logs import configure_logging
configure_logging(Settings(log_format={format!r}))
nasty = "[/INST]\\x1b[31m\\u202e\\x9b\\r" + chr(0xd800) + "é"
log = structlog.get_logger("nearbit")
log.info(nasty, path=nasty, words=f"two {{nasty}}", many=[nasty], n=3, error=ValueError(nasty))
logging.getLogger("theirs").warning("saw %s", nasty)
try:
    raise RuntimeError(nasty)
except RuntimeError:
    log.exception("failed")
    logging.getLogger("theirs").exception("failed too")
"""


@pytest.mark.parametrize("format", ["console", "json"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii:strict"])
def test_no_line_sends_a_terminal_what_callers_wrote_as_it_is(format: str, encoding: str) -> None:
    command = [sys.executable, "-c", NASTY.format(format=format)]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    ended = subprocess.run(command, capture_output=True, env=environment, check=True)
    lines = ended.stderr.decode("utf-8")
    assert not set(lines) & set("\x1b\u202e\x9b\r")
    assert "Traceback" in lines or format == "json"
    assert lines.count("[/INST]\\") >= 8
    assert "logging error" not in lines.lower()


FULL = """
import logging, structlog, sys
from service.config import Settings
from service.logs import configure_logging
configure_logging(Settings(log_format={format!r}))
structlog.get_logger("nearbit").info("ours")
logging.getLogger("uvicorn.error").warning("theirs")
try:
    raise RuntimeError("broken")
except RuntimeError:
    structlog.get_logger("nearbit").exception("failed")
print("went on")
"""


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_log_line_that_cannot_be_written_stops_nothing(format: str) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", FULL.format(format=format)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True)
    assert done.stdout == "went on\n"


CLOSED = """
import io, structlog, sys
from service.config import Settings
from service.logs import configure_logging
sys.stderr = io.StringIO()
configure_logging(Settings())
sys.stderr.close()
structlog.get_logger("nearbit").info("ours")
print("went on")
"""


def test_a_log_line_for_a_stream_that_was_closed_stops_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", CLOSED], stdout=subprocess.PIPE, text=True)
    assert done.stdout == "went on\n"
