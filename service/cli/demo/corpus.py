"""The demonstration corpus: docstrings of the public modules, classes and functions of the standard library and of the
packages that nearbit stands on.

Every machine that runs nearbit has these, no network is needed, and people know what they say.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

# In addition to the standard library. A fixed list, so that the corpus does not grow with what else is installed.
_PACKAGES = ("numpy", "scipy", "sklearn", "torch", "networkx", "sqlalchemy", "pydantic", "fastapi", "starlette")
# To import one of these has an effect: it opens a browser, prints, needs a display, or patches the process.
_LEFT_OUT = {"antigravity", "this", "idlelib", "turtledemo", "turtle", "tkinter", "test", "lib2to3"}
_PRIVATE_PARTS = ("_", "test", "conftest", "setup")
_MIN_CHARS, _MAX_CHARS = 20, 20_000


class Docstring(NamedTuple):
    """One document of the corpus."""

    name: str
    text: str
    package: str
    module: str
    kind: str


def docstrings() -> Iterator[Docstring]:
    """Every distinct docstring of the environment, under the shortest public dotted name that leads to it.

    Those of methods are taken from the standard library only.
    """
    texts: set[str] = set()
    names: set[str] = set()
    for package in _packages():
        for docstring in sorted(_of_package(package), key=lambda d: (d.name.count("."), d.name)):
            if docstring.text not in texts and docstring.name not in names:
                texts.add(docstring.text)
                names.add(docstring.name)
                yield docstring


def _packages() -> list[str]:
    """Top-level packages, those of the standard library first."""
    return [*sorted(n for n in set(sys.stdlib_module_names) - _LEFT_OUT if not n.startswith("_")), *_PACKAGES]


def _of_package(package: str) -> Iterator[Docstring]:
    for module in _modules(package):
        yield from _of_module(module, package)


def _modules(package: str) -> Iterator[ModuleType]:
    """The package and its public submodules, as far as they can be imported."""
    top = _import(package)
    if top is None:
        return
    yield top
    for info in pkgutil.walk_packages(getattr(top, "__path__", []), package + ".", onerror=lambda _: None):
        if not any(part.startswith(_PRIVATE_PARTS) for part in info.name.split(".")):
            module = _import(info.name)
            if module is not None:
                yield module


def _import(name: str) -> ModuleType | None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit):  # a foreign module: whatever it raises, it is left out
            return None


def _of_module(module: ModuleType, package: str) -> Iterator[Docstring]:
    name = module.__name__
    if text := _text(module):
        yield Docstring(name, text, package, name, "module")
    for attribute, member in list(vars(module).items()):
        if attribute.startswith("_") or not _belongs(member, package):
            continue
        if inspect.isclass(member):
            if text := _text(member):
                yield Docstring(f"{name}.{attribute}", text, package, name, "class")
            if package in sys.stdlib_module_names:  # those of every package would triple the corpus
                yield from _of_class(member, f"{name}.{attribute}", package, name)
        elif callable(member) and (text := _text(member)):
            yield Docstring(f"{name}.{attribute}", text, package, name, "function")


def _of_class(owner: type, name: str, package: str, module: str) -> Iterator[Docstring]:
    for attribute, member in list(vars(owner).items()):
        if not attribute.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
            text = _text(member)
            if text:
                yield Docstring(f"{name}.{attribute}", text, package, module, "method")


def _belongs(member: object, package: str) -> bool:
    """Whether the member of a module was defined in that package, not imported from another one."""
    home = getattr(member, "__module__", None)
    return not isinstance(home, str) or home.split(".")[0].lstrip("_") == package.lstrip("_") or home == "builtins"


def _text(thing: object) -> str:
    text = getattr(thing, "__doc__", None)
    text = inspect.cleandoc(text).strip() if isinstance(text, str) else ""
    return text[:_MAX_CHARS] if len(text) >= _MIN_CHARS and "\x00" not in text else ""


def write(path: Path) -> int:
    """Write the corpus as JSON lines, and return the number of documents.

    It imports every module that it finds, so it should run in a process of its own.
    """
    n = 0
    partial = path.with_suffix(".partial")
    warnings.simplefilter("ignore")
    with partial.open("w", encoding="utf-8") as out:
        for d in docstrings():
            metadata = {"package": d.package, "module": d.module, "kind": d.kind}
            out.write(
                json.dumps({"id": d.name, "title": d.name, "text": d.text, "metadata": metadata}, ensure_ascii=False)
                + "\n"
            )
            n += 1
    partial.replace(path)
    return n


if __name__ == "__main__":
    write(Path(sys.argv[1]))
