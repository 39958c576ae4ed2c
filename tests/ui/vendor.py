"""Fetches the libraries of the page: `python -m tests.ui.vendor` writes them, and their manifest, anew.

It runs `npm pack`, which checks what it downloads by the registry's hashes. Bare imports become relative ones, as the
page has no build step and its content security policy allows no import map.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[2] / "service/web/ui/vendor"
MANIFEST = FOLDER / "manifest.json"


class Library(NamedTuple):
    """A file of an npm package, where it goes, and the licence file beside it."""

    package: str
    version: str
    file: str
    name: str
    license: str


LIBRARIES = (
    Library("preact", "11.2.0", "dist/preact.mjs", "preact.js", "MIT"),
    Library("preact", "11.2.0", "hooks/dist/hooks.mjs", "hooks.js", "MIT"),
    Library("htm", "3.1.1", "dist/htm.mjs", "htm.js", "Apache-2.0"),
)
_BARE_IMPORTS = {'from"preact"': 'from"./preact.js"'}


def fetch() -> None:
    """Write the files of all libraries, their licences, and the manifest with SHA-256 digests."""
    entries = []
    with tempfile.TemporaryDirectory() as folder:
        for library in LIBRARIES:
            package = _unpacked(library, Path(folder))
            text = (package / library.file).read_text("utf-8")
            for bare, relative in _BARE_IMPORTS.items():
                text = text.replace(bare, relative)
            text = "\n".join(line for line in text.splitlines() if not line.startswith("//# sourceMappingURL")) + "\n"
            (FOLDER / library.name).write_text(text, "utf-8")
            license_name = f"{library.package}.LICENSE"
            (FOLDER / license_name).write_bytes((package / "LICENSE").read_bytes())
            entries.append({**library._asdict(), "license_file": license_name, "sha256": digest(FOLDER / library.name)})
    MANIFEST.write_text(json.dumps(entries, indent=2) + "\n", "utf-8")


def digest(file: Path) -> str:
    """The SHA-256 digest of a file in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _unpacked(library: Library, folder: Path) -> Path:
    """The folder of a package, downloaded if it is not there yet."""
    target = folder / f"{library.package}-{library.version}"
    if not target.exists():
        name = f"{library.package}@{library.version}"
        subprocess.run(["npm", "pack", "--silent", name], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(folder / f"{target.name}.tgz") as archive:
            archive.extractall(target, filter="data")
    return target / "package"


if __name__ == "__main__":
    fetch()
