"""The libraries of the page are those that the manifest names."""

from __future__ import annotations

import json

from tests.ui.vendor import FOLDER, LIBRARIES, MANIFEST, digest


def test_each_library_is_what_the_manifest_says_and_has_its_licence() -> None:
    entries = json.loads(MANIFEST.read_text())
    assert [(one["package"], one["version"], one["file"]) for one in entries] == [one[:3] for one in LIBRARIES]
    for entry in entries:
        assert digest(FOLDER / entry["name"]) == entry["sha256"], entry["name"]
        assert (FOLDER / entry["license_file"]).stat().st_size > 500
    assert {path.name for path in FOLDER.glob("*.js")} == {one["name"] for one in entries}
