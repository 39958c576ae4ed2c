from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from tests.web.conftest import Start


@pytest.fixture
def texts(url: str, start: Start) -> TestClient:
    """A client of a service that trains on ten documents, and a collection of twelve."""
    client = start(url, min_train_documents=10)
    client.put("/v1/collections/texts", json={"n_bits": 32})
    documents = [{"id": f"d{i}", "text": f"number {i} of them"} for i in range(12)]
    assert client.post("/v1/collections/texts/documents", json={"documents": documents}).status_code == 201
    return client
