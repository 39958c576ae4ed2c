"""Prometheus metrics.

Requests are counted across the worker processes of one `serve` (prometheus_client's multiprocess mode, which `serve`
turns on when it starts several). Gauges of a process, of its queue and its replicas, have its `pid` as a label.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from service.web.shared_gauges import Gauges, Sample, SharedGauges

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def metrics_folder() -> Path | None:
    """Where the workers of one `serve` keep their metrics; None if there is one only."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return None if folder is None else Path(folder)


class RequestMetrics:
    """Counts and times requests, per route template, so that no path or id becomes a label."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("nearbit_http_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "nearbit_http_request_seconds",
            "Seconds from the first byte of a request to the last byte of its response.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._wrong_keys = Counter(
            "nearbit_wrong_keys",
            "Requests with a wrong key; slowed: too many came from the address, so that the key was not looked at.",
            ("slowed",),
            registry=self.registry,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            histogram = self._seconds.labels(method, route)
            children = self._children[key] = (self._requests.labels(method, route, str(status)), histogram)
        children[0].inc()
        children[1].observe(seconds)

    def count_wrong_key(self, slowed: bool) -> None:
        """Count a request with a wrong key."""
        self._wrong_keys.labels(str(slowed).lower()).inc()

    def render(self, gauges: SharedGauges, of_installation: Gauges) -> bytes:
        """All metrics in the text format of Prometheus: what was counted, and gauges of processes and of all together.

        Blocks while it reads them.
        """
        registry = self.registry
        if metrics_folder() is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        own = CollectorRegistry()
        own.register(_Gauges([*gauges.samples(), *of_installation()]))
        return generate_latest(registry) + generate_latest(own)


class _Gauges(Collector):
    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterable[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for name, text, labels, value in self._samples:
            family = families.setdefault(name, GaugeMetricFamily(name, text, labels=list(labels)))
            family.add_metric(list(labels.values()), value)
        return families.values()
