"""Both distributions, built and installed into an environment that has nothing else of nearbit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx2
import pytest

from tests.flows.processes import free_port, until

ROOT = Path(__file__).parents[1]
PACKAGES = {"service": ROOT, "training": ROOT, "migrations": ROOT, "nearbit": ROOT / "client"}
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"

USE = """
import sys
from importlib.metadata import entry_points
import nearbit
client = nearbit.connect(sys.argv[1])
notes = client.create("notes")
notes.add([{"id": "bread", "text": "How to bake bread"}, "How to sail a boat"])
(opener,) = entry_points(group="nearbit.embedded", name="open")
print(notes.search("bread", k=1)[0].id, nearbit.__file__, sys.modules[opener.load().__module__].__file__, sep="\\n")
"""


def unbuilt(folder: Path) -> Path:
    """What a release is built of, where building writes nothing into the tree."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in (*PACKAGES, "client"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def built(sources: Path, wheels: Path) -> Path:
    """The wheel of the distribution in a folder."""
    wheels.mkdir()
    subprocess.run([sys.executable, "-c", BUILD, str(wheels)], cwd=sources, check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    return wheel


def environment_of(wheels: list[Path], folder: Path) -> Path:
    """The programs of a new environment: these wheels, and from the one that tests run in only what they need."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # A path that another one leads to: links that were made for development are not followed from there.
    (packages / "needed.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    install = ["-m", "pip", "--python", str(folder / "bin/python"), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, *install, "--no-compile", "--force-reinstall", *map(str, wheels)], check=True)
    return folder / "bin"


def files_of(name: str) -> set[str]:
    """The files of a package, as a wheel names them."""
    found = (path.relative_to(PACKAGES[name]) for path in (PACKAGES[name] / name).rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


@pytest.mark.long
def test_what_is_installed_from_the_wheels_serves_and_is_called(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77", reason="wheels are built by it")
    pytest.importorskip("pip", reason="wheels are installed by it")
    (tmp_path / "sources").mkdir()
    sources = unbuilt(tmp_path / "sources")
    wheels = [built(sources / "client", tmp_path / "client"), built(sources, tmp_path / "service")]
    inside = {name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == set.union(*map(files_of, PACKAGES))
    programs = environment_of(wheels, tmp_path / "environment")
    empty = tmp_path / "empty"
    empty.mkdir()
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables |= {"NEARBIT_KERNEL": "numpy", "NEARBIT_DATA_DIR": str(empty)}  # where nothing was compiled before
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serve = [str(programs / "nearbit"), "serve", "--port", str(port), "--no-trainer", "--no-job-runner"]
    database = ["--database-url", f"sqlite:///{empty / 'notes.db'}"]
    log = tmp_path / "serve.log"
    with log.open("wb") as out, subprocess.Popen([*serve, *database], cwd=empty, env=variables, stderr=out) as process:
        try:
            until(lambda: is_ready(url, process, log), "the service of the wheel", 120)
            use = [str(programs / "python"), "-c", USE, url]
            used = subprocess.run(use, cwd=empty, env=variables, capture_output=True, text=True, check=False)
            assert used.returncode == 0, used.stderr
            assert httpx2.get(f"{url}/ui/").status_code == 200
        finally:
            process.terminate()
    found, *modules = used.stdout.split("\n")[:3]
    assert found == "bread"
    for module in modules:
        assert Path(module).is_relative_to(tmp_path / "environment")


def is_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return httpx2.get(f"{url}/readyz").is_success
    except httpx2.TransportError:
        return False
