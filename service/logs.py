"""How log lines are written: one format for nearbit's own lines and those of its libraries, on standard error."""

from __future__ import annotations

import logging
import sys

import structlog

from service.config import Settings

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
        if settings.log_format == "json"
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
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
