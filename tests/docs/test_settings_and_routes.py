"""What the documents say of settings and routes is what the code has."""

import re
from pathlib import Path

import pytest

from service.config import Settings
from service.web.app import create_app

DOCS = Path(__file__).parents[2] / "docs"
METHODS = ("get", "put", "post", "delete", "patch")


def documented_settings() -> dict[str, tuple[str, str]]:
    rows = re.findall(r"^\| `NEARBIT_(\w+)` \| (.*?) \| (.*) \|$", (DOCS / "operations.md").read_text(), re.MULTILINE)
    return {name.lower(): (default.strip("`"), description) for name, default, description in rows}


def test_operations_lists_exactly_the_settings_there_are():
    assert list(documented_settings()) == list(Settings.model_fields)


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_operations_says_of_a_setting_what_the_code_says(name):
    field = Settings.model_fields[name]
    shown = "-" if field.default is None else str(field.default)
    shown = shown.lower() if isinstance(field.default, bool) else shown
    assert documented_settings()[name] == (shown, field.description)


def test_api_lists_exactly_the_routes_there_are():
    paths = create_app(Settings(database_url="sqlite://")).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, item in paths.items() for method in item if method in METHODS}
    documented = set(
        re.findall(r"^### `((?:GET|PUT|POST|DELETE|PATCH) \S+)`$", (DOCS / "api.md").read_text(), re.MULTILINE)
    )
    assert documented == routes
