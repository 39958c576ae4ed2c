"""Serves a few requests beside a collector of OpenTelemetry, and prints what the collector was sent, as JSON."""

from __future__ import annotations

import gzip
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fastapi.testclient import TestClient
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SENT: dict[str, list[bytes]] = {"/v1/traces": [], "/v1/metrics": [], "/v1/logs": []}


class Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        SENT[self.path].append(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def serve_a_few_requests(url: str) -> None:
    from service.config import Settings
    from service.logs import configure_logging
    from service.web.app import create_app

    configure_logging(settings := Settings(database_url=url))
    with TestClient(create_app(settings), "http://localhost") as client:
        for path in ("/healthz", "/readyz"):
            client.get(path)
        client.put("/v1/collections/texts", json={}).raise_for_status()
        documents = {"documents": [{"id": "a", "text": "bread in the oven"}]}
        client.post("/v1/collections/texts/documents", json=documents).raise_for_status()
        client.get("/v1/collections/texts/search", params={"q": "bread"}).raise_for_status()


def sent() -> dict[str, Any]:
    traces = [ExportTraceServiceRequest.FromString(body) for body in SENT["/v1/traces"]]
    metrics = [ExportMetricsServiceRequest.FromString(body) for body in SENT["/v1/metrics"]]
    resources = [resource for one in traces for resource in one.resource_spans]
    services = {a.value.string_value for one in resources for a in one.resource.attributes if a.key == "service.name"}
    return {
        "spans": [
            {
                "name": span.name,
                "trace": span.trace_id.hex(),
                "id": span.span_id.hex(),
                "parent": span.parent_span_id.hex(),
            }
            for resource in resources
            for scope in resource.scope_spans
            for span in scope.spans
        ],
        "metrics": sorted(
            {
                metric.name
                for one in metrics
                for resource in one.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
            }
        ),
        "services": sorted(services),
        "logs": len(SENT["/v1/logs"]),
    }


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{server.server_address[1]}"
    serve_a_few_requests(sys.argv[1])
    print(json.dumps(sent()))
