from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that run in the process of the tests write no logs: to a stream that their runner closes."""
    monkeypatch.setattr("service.cli.settings.configure_logging", lambda settings: None)
