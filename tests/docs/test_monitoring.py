"""The dashboard and the alert rules ask for metrics that there are, and Prometheus's own tool accepts them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.config import Settings
from service.web.app import create_app
from tests.flows.processes import until

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
NAME = re.compile(r"\bnearbit_\w+")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """The names of the metrics of a service that has a collection and a job."""
    url = f"sqlite:///{tmp_path_factory.mktemp('monitoring')}/nearbit.db"
    app = create_app(Settings(database_url=url))
    with TestClient(app, "http://localhost") as client:
        documents = [{"id": str(n), "text": f"bread number {n}"} for n in range(100)]
        client.put("/v1/collections/texts", json={}).raise_for_status()
        client.post("/v1/collections/texts/documents", json={"documents": documents}).raise_for_status()
        client.post("/v1/collections/texts/retrain", json={}).raise_for_status()
        client.get("/v1/collections/texts/similar", params={"q": "bread"}).raise_for_status()
        app.state.services.drift.look()
        text = until(lambda: _metrics_with_replicas(client), "the replica")
    return frozenset(re.findall(r"^(nearbit_\w+)", text, re.MULTILINE))


def _metrics_with_replicas(client: TestClient) -> str | None:
    text = client.get("/metrics").text
    return text if "nearbit_replica_seq" in text else None


def dashboard_queries() -> list[str]:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_the_dashboard_asks_for_metrics_that_there_are(served: frozenset[str]) -> None:
    queries = dashboard_queries()
    assert len(queries) > 10
    assert {name for query in queries for name in NAME.findall(query)} - served == set()


def test_the_alert_rules_ask_for_metrics_that_there_are(served: frozenset[str]) -> None:
    asked = set(NAME.findall((FOLDER / "alerts.yml").read_text()))
    assert len(asked) > 5
    assert asked - served == set()


def test_the_panels_of_the_dashboard_do_not_lie_on_one_another() -> None:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    places = [
        (x, y)
        for panel in dashboard["panels"]
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24


promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, of Debian's prometheus, is not here")


@promtool
def test_promtool_accepts_the_alert_rules_and_they_fire_when_they_are_to() -> None:
    for arguments in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_promtool_reads_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": q.replace("$instance", ".*")} for n, q in enumerate(dashboard_queries())]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
