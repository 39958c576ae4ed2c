import inspect
import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service import errors
from service.errors import NearbitError
from service.web.problems import STATUS, URN, install_problems, slug_of, status_of

ERRORS = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, NearbitError)]
EXAMPLES = {"str": "some", "int": 3, "int | None": 3, "str | None": "hidden", "list[str]": ["a", "b"], "object": 5}


def example(error: type[NearbitError]) -> NearbitError:
    if error.__init__ is Exception.__init__:
        return error("some")
    parameters = list(inspect.signature(error).parameters.values())
    return error(*(EXAMPLES[str(p.annotation)] for p in parameters))


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_every_error_is_a_problem_with_its_attributes(error: type[NearbitError]) -> None:
    app, raised = FastAPI(), example(error)
    install_problems(app)

    @app.get("/here")
    async def here() -> None:
        raise raised

    with TestClient(app) as client:
        response = client.get("/here")
    problem = json.loads(response.text)
    assert response.status_code == problem["status"] == status_of(error)
    assert problem["type"] == URN + slug_of(error)
    assert (problem["detail"], problem["instance"]) == (str(raised), "/here")
    assert problem["title"]
    assert {**problem, **vars(raised)} == problem
    if isinstance(raised, errors.DatabaseUnavailable):  # what its driver says names hosts and roles
        assert "hidden" not in response.text
    assert ("retry-after" in response.headers) == isinstance(raised, errors.Unavailable)
    assert ("www-authenticate" in response.headers) == isinstance(raised, errors.Unauthorized)


def test_every_listed_status_is_of_an_error_that_there_is() -> None:
    assert set(STATUS) <= set(ERRORS)


def test_text_that_no_utf8_can_hold_does_not_break_the_answer() -> None:
    app = FastAPI()
    install_problems(app)

    @app.get("/here")
    async def here() -> None:
        raise errors.NotFound("document", "\ud800")

    with TestClient(app) as client:
        assert json.loads(client.get("/here").content)["name"] == "\ud800"
