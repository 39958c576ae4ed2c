"""How log lines are written: one format for nearbit's own lines and those of its libraries, on standard error."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

from service.config import Settings
from service.safe_text import escape_what_cannot_be_encoded, safe_lines, safe_text

_LIBRARIES = ("uvicorn", "uvicorn.error", "uvicorn.access", "fastapi", "alembic")


def configure_logging(settings: Settings) -> None:
    """Write log lines as the settings say, for people or as one JSON object per line."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without the values of variables: those are texts and keys that no log should hold.
    bare = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    render: list[structlog.typing.Processor] = (
        [structlog.processors.ExceptionRenderer(bare), structlog.processors.JSONRenderer()]
        if settings.log_format == "json"  # which escapes all that is not ASCII
        else [_make_safe, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)]
    )
    escape_what_cannot_be_encoded(sys.stderr)
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Unfailing(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[strip, *render]))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _LIBRARIES:
        logging.getLogger(name).handlers.clear()
    for name in ("httpx2", "alembic"):  # they tell of every call, and of every look at the schema
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class _Unfailing:
    """A stream for log lines: one that cannot be written is lost, and what was to be told of goes on.

    As on a full disk, or where the program that read the lines has ended.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        with suppress(OSError, ValueError):  # a closed stream is the latter
            self._stream.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def _make_safe(_logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape in the message and in each value what could steer a terminal: paths, ids and texts come from callers."""
    for name, value in line.items():
        if name in ("exception", "stack"):
            line[name] = safe_lines(value)
        elif name == "event":
            line[name] = safe_text(value)
        elif name != "exc_info" and not (isinstance(value, str) and safe_text(value) == value):
            line[name] = _SafeRepr(value)
    return line


class _SafeRepr:
    """A value that the renderer shows by its representation."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return safe_text(repr(self.value))


def _traceback(out: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    out.write(safe_lines(written.getvalue()))
