from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from service import tracing
from service.store.database import Database


@pytest.fixture
def tracer() -> Iterator[tuple[Tracer, InMemorySpanExporter]]:
    """Makes spans of requests, and holds all that is recorded during the test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.start(provider)
    yield provider.get_tracer("requests"), exporter
    tracing.stop()
    provider.shutdown()


def test_without_tracing_a_span_is_nothing_and_a_context_manager_stays_itself() -> None:
    manager = nullcontext(3)
    assert tracing.around("sql read", manager) is manager
    with tracing.span("encode"):
        pass
    assert tracing.headers() == {}


def test_transactions_are_spans_within_the_open_one_and_the_next_process_is_told_of_it(
    tracer: tuple[Tracer, InMemorySpanExporter], database: Database
) -> None:
    requests, spans = tracer
    with requests.start_as_current_span("outer"):
        with database.read() as connection:
            connection.exec_driver_sql("SELECT 1")
        with database.write():
            told = tracing.headers()["traceparent"]
    with tracing.span("encode"), database.read():
        pass  # outside of a request
    read, write, outer = spans.get_finished_spans()
    assert [one.name for one in (read, write, outer)] == ["sql read", "sql write", "outer"]
    assert outer.context is not None
    assert write.context is not None
    for inner in (read, write):
        assert inner.parent is not None
        assert inner.parent.span_id == outer.context.span_id
    assert told.startswith(f"00-{outer.context.trace_id:032x}-{write.context.span_id:016x}-")


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_tracing_is_wanted_where_the_environment_names_an_endpoint(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], wanted: bool
) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert tracing.is_wanted() == wanted


@pytest.mark.long
def test_a_collector_gets_the_spans_of_a_request_and_none_of_health_checks(tmp_path: Path) -> None:
    script = Path(__file__).with_name("telemetry_of_requests.py")
    database = f"sqlite:///{tmp_path}/nearbit.db"
    done = subprocess.run([sys.executable, str(script), database], capture_output=True, text=True, check=True)
    sent = json.loads(done.stdout)
    parent_of = {(one["trace"], one["id"]): one["name"] for one in sent["spans"]}
    edges = {(one["name"], parent_of.get((one["trace"], one["parent"]))) for one in sent["spans"]}
    search, put = "GET /v1/collections/{collection}/search", "POST /v1/collections/{collection}/documents"
    assert {(search, None), (put, None)} <= edges
    assert {("encode", put), ("sql write", put)} <= edges
    assert {("search", "sql read"), ("fetch", "sql read")} <= edges
    assert not any("health" in one["name"] or "ready" in one["name"] for one in sent["spans"])
    assert "http.server.request.duration" in sent["metrics"]
    assert sent["services"] == ["nearbit"]
