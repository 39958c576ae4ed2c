"""Every problem of the service has an exception of its name."""

import inspect

import pytest

import nearbit
from nearbit import errors as client_errors
from service import errors
from service.web.problems import URN, slug_of, status_of

PROBLEMS = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, errors.NearbitError)]


def bases(error: type[Exception]) -> set[str]:
    return {base.__name__ for base in error.__mro__}


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda e: e.__name__)
def test_a_problem_is_raised_as_the_exception_of_its_name(problem: type[errors.NearbitError]) -> None:
    body = {"type": URN + slug_of(problem), "detail": "why", "job_id": "7"}
    raised = client_errors.error_of(status_of(problem), body)
    assert type(raised).__name__ == problem.__name__
    assert getattr(nearbit, problem.__name__) is type(raised)
    assert bases(problem) <= bases(type(raised))
    assert (str(raised), raised.problem["job_id"], raised.status) == ("why", "7", status_of(problem))


def test_all_exceptions_can_be_had_from_the_package() -> None:
    there = {n for n, e in vars(client_errors).items() if inspect.isclass(e) and issubclass(e, nearbit.NearbitError)}
    assert there <= set(nearbit.__all__)


@pytest.mark.parametrize(
    ("status", "kind"), [(404, nearbit.NotFound), (503, nearbit.Unavailable), (422, nearbit.InvalidInput)]
)
def test_a_problem_of_an_unknown_type_is_told_by_its_status(status: int, kind: type[nearbit.NearbitError]) -> None:
    assert type(client_errors.error_of(status, {"type": "urn:nearbit:problem:of-tomorrow"})) is kind
    assert type(client_errors.error_of(status, None)) is kind


def test_a_response_that_is_nothing_we_know_is_an_error_too() -> None:
    assert type(client_errors.error_of(500, ["no problem"])) is nearbit.NearbitError
