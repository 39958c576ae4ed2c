"""Spans of OpenTelemetry within a request: encode, search, fetch, sql. FastAPI makes those of the requests themselves.

Nothing is recorded unless the environment names an endpoint, as `OTEL_EXPORTER_OTLP_ENDPOINT` does; then a span costs
one look at a variable.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider

T = TypeVar("T")
_ENDPOINTS = tuple(f"OTEL_EXPORTER_OTLP{signal}_ENDPOINT" for signal in ("", "_TRACES", "_METRICS"))
_NO_SPAN = nullcontext()
_tracer: Tracer | None = None


def is_wanted() -> bool:
    """Whether the environment names an endpoint that traces or metrics go to."""
    return any(os.environ.get(name) for name in _ENDPOINTS) and os.environ.get("OTEL_SDK_DISABLED") != "true"


def start(provider: TracerProvider | None = None) -> None:
    """Have spans recorded from now on, by that provider or the one of the process."""
    from opentelemetry import trace

    global _tracer
    os.environ.setdefault("OTEL_SERVICE_NAME", "nearbit")
    _tracer = trace.get_tracer("nearbit", tracer_provider=provider)


def stop() -> None:
    """Have no more spans recorded."""
    global _tracer
    _tracer = None


def span(name: str) -> AbstractContextManager[object]:
    """A span around the block, within that of a request; outside of one nothing, so that polls leave no traces."""
    if _tracer is None or not _is_within_a_span():
        return _NO_SPAN
    return _tracer.start_as_current_span(name)


def around(name: str, manager: AbstractContextManager[T]) -> AbstractContextManager[T]:
    """The context manager with such a span around it; where there is none, the context manager itself."""
    return manager if _tracer is None or not _is_within_a_span() else _within(_tracer, name, manager)


def headers() -> Mapping[str, str]:
    """What tells another process of the open span, in the header `traceparent`; without one nothing."""
    if _tracer is None:
        return {}
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def _is_within_a_span() -> bool:
    from opentelemetry import trace

    return trace.get_current_span().get_span_context().is_valid


@contextmanager
def _within(tracer: Tracer, name: str, manager: AbstractContextManager[T]) -> Iterator[T]:
    with tracer.start_as_current_span(name), manager as value:
        yield value
