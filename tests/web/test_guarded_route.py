from urllib.parse import unquote

import pytest
from fastapi.testclient import TestClient

from tests.web.asserting import refused

SIMILAR = "/v1/collections/texts/similar"
DOCUMENTS = "/v1/collections/texts/documents"
TEXTS_PATH = "/v1/collections/texts"


@pytest.mark.parametrize(
    ("path", "name", "meant"),
    [
        (SIMILAR, "limit", "k"),
        (SIMILAR, "top_k", "k"),
        (SIMILAR, "topK", "k"),
        (SIMILAR, "n", "k"),
        (SIMILAR, "K", "k"),
        (SIMILAR, "query", "q"),
        (SIMILAR, "text", "q"),
        (SIMILAR, "Q", "q"),
        (SIMILAR, "radios", "radius"),
        (SIMILAR, "atLeastSeq", "at_least_seq"),
        (SIMILAR, "re-rank", "rerank"),
        (SIMILAR, "%6C%69mit", "k"),
        (SIMILAR, "wholly_other", None),
        (SIMILAR, "collection", None),
        (f"{DOCUMENTS}/a/similar", "top_k", "k"),
        (f"{DOCUMENTS}/a/similar", "tie", None),
        (DOCUMENTS, "k", "limit"),
        (DOCUMENTS, "n", "limit"),
        (DOCUMENTS, "page_size", "limit"),
        (DOCUMENTS, "offset", "cursor"),
        ("/v1/collections", "Limit", "limit"),
        ("/v1/collections", "curser", "cursor"),
        ("/v1/collections/texts", "limit", None),
        (f"{DOCUMENTS}/a", "fields", None),
        ("/v1/collections/texts/spaces", "limit", None),
    ],
)
def test_an_unknown_parameter_is_refused_with_the_one_that_was_meant(
    lite: TestClient, path: str, name: str, meant: str | None
) -> None:
    problem = refused(lite.get(f"{path}?{name}=3{'&q=a' if path == SIMILAR else ''}"), 422, "invalid-input")
    (error,) = problem["errors"]
    assert error["where"] == f"query.{unquote(name)}"
    assert ("did you mean" in error["rule"]) == (meant is not None)
    assert meant is None or f"did you mean {meant}?" in problem["detail"]


def test_unknown_parameters_of_calls_that_write_are_refused_too(lite: TestClient) -> None:
    for method, path in (("POST", SIMILAR), ("DELETE", f"{DOCUMENTS}/a"), ("PUT", TEXTS_PATH)):
        problem = refused(lite.request(method, path, params={"k": 3}), 422, "invalid-input")
        assert problem["detail"] == "query.k: is no parameter of this call. It takes none"
    problem = refused(lite.post(DOCUMENTS, params={"k": 3}), 422, "invalid-input")
    assert (
        problem["detail"]
        == "query.k: is no parameter of this call. It takes check_duplicates, if_absent, skip_duplicates"
    )
    assert lite.get("/healthz?probe=7").status_code == 200
