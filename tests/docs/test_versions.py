"""The versions that pyproject.toml allows are those that are tested."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\d.]+)")


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def pinned(file: str) -> dict[str, tuple[int, ...]]:
    lines = re.findall(r"^([\w.-]+)==([\d.]+)", (ROOT / file).read_text(), re.MULTILINE)
    return {name_of(name): number_of(version) for name, version in lines}


def name_of(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def number_of(version: str) -> tuple[int, ...]:
    """A version as numbers, without zeros at the end: 2.0 and 2.0.0 are one."""
    numbers = [int(number) for number in version.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def bounds() -> dict[str, tuple[int, ...]]:
    """The lower bounds of what nearbit and its tests need."""
    wanted = [*project()["dependencies"], *project()["optional-dependencies"]["test"]]
    found = [REQUIREMENT.fullmatch(requirement) for requirement in wanted]
    return {name_of(match[1]): number_of(match[2]) for match in found if match}


def test_every_requirement_has_a_lower_bound_and_nothing_else() -> None:
    wanted = [*project()["dependencies"], *project()["optional-dependencies"]["test"]]
    assert [requirement for requirement in wanted if not REQUIREMENT.fullmatch(requirement)] == []


def test_the_oldest_constraints_are_the_lower_bounds() -> None:
    assert pinned("constraints-oldest.txt") == bounds()


@pytest.mark.parametrize("package", sorted(bounds()))
def test_the_constraints_are_no_older_than_the_lower_bounds(package: str) -> None:
    assert pinned("constraints.txt")[package] >= bounds()[package]


def test_the_classifiers_name_no_python_older_than_the_required_one() -> None:
    named = re.findall(r"Python :: (3\.\d+)$", "\n".join(project()["classifiers"]), re.MULTILINE)
    assert project()["requires-python"] == f">={named[0]}"
    assert named == [f"3.{minor}" for minor in range(11, 14)]
