"""Files and folders that the documents name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(str(page.relative_to(ROOT)) for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PATH = re.compile(r"(?<![\w/.-])(?:service|training|migrations|tests|benchmarks|docs)/[\w./-]*\w/?")


def named(page: str) -> set[str]:
    return set(PATH.findall((ROOT / page).read_text()))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_files_and_folders_that_are_there(page: str) -> None:
    missing = {path for path in named(page) if not (ROOT / path).exists()}
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text())
    missing |= {link for link in links if not (ROOT / page).parent.joinpath(link).exists()}
    assert missing == set()


def test_the_trees_of_the_readme_and_of_the_code_are_one() -> None:
    """Every folder of the code, and every room of the service, has its line in README's tree."""
    tree = (ROOT / "README.md").read_text().split("## The rooms")[1].split("```")[1]
    top = dict.fromkeys(re.findall(r"^(\w+)/", tree, re.MULTILINE))
    rooms: dict[str, set[str]] = {}
    for folder, block in zip(top, re.split(r"^\w+/.*\n?", tree, flags=re.MULTILINE)[1:], strict=True):
        rooms[folder] = set(re.findall(r"^  (\w+)/", block, re.MULTILINE))
    for folder in ("service", "training"):
        there = {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}
        assert rooms[folder] == there
    assert set(top) >= {path.parent.parent.name for path in ROOT.glob("*/*/__init__.py")}
