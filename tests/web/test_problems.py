import inspect
import json
import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service import errors
from service.errors import NearbitError
from service.web.problems import STATUS, URN, install_problems, slug_of, status_of, title_of

ERRORS = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, NearbitError)]
EXAMPLES = {
    "str": "some",
    "int": 3,
    "int | None": 3,
    "str | None": "hidden",
    "list[str]": ["a", "b"],
    "list[int]": [1, 2],
    "dict[str, int]": {"a": 2},
    "object": 5,
    "list[dict[str, str]] | None": [{"where": "body.k", "rule": "must be positive"}],
}


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
    assert problem["title"] == title_of(error)
    assert {**problem, **vars(raised)} == problem
    if isinstance(raised, errors.DatabaseUnavailable):  # what its driver says names hosts and roles
        assert "hidden" not in response.text
    waits = errors.Unavailable | errors.CallRunning | errors.TooManyRequests
    assert ("retry-after" in response.headers) == isinstance(raised, waits)
    assert ("www-authenticate" in response.headers) == isinstance(raised, errors.Unauthorized)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_the_title_of_a_problem_is_short_and_plain(error: type[NearbitError]) -> None:
    title = title_of(error)
    assert 3 < len(title) <= 60
    assert title[0].isupper()
    assert "`" not in title
    assert not title.endswith(".")


def test_the_public_titles_stand_as_they_are_documented() -> None:
    titles = {title_of(error) for error in (errors.InvalidInput, errors.NotFound, errors.Conflict, errors.Unavailable)}
    assert titles == {
        "Invalid input",
        "Not found",
        "Conflict with the current state",
        "A required component is unavailable",
    }


def test_the_tree_at_the_head_of_the_errors_names_all_of_them() -> None:
    named = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted([*named, "NearbitError"]) == sorted(error.__name__ for error in ERRORS)


def test_every_listed_status_is_that_of_an_error() -> None:
    assert set(STATUS) <= set(ERRORS)


def test_text_that_is_not_valid_unicode_does_not_break_the_response() -> None:
    app = FastAPI()
    install_problems(app)

    @app.get("/here")
    async def here() -> None:
        raise errors.NotFound("document", "\ud800")

    with TestClient(app) as client:
        assert json.loads(client.get("/here").content)["name"] == "\ud800"
