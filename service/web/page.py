"""The page that people look at: its files as they are sent, compressed, with what tells caches and browsers about them.

All files but the first lie under a folder that is named by a digest of them all: a browser may keep them for ever, and
never has files of two releases at once. Comments of modules, a sixth of the bytes, are not sent; lines keep
their numbers.
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "ui"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What is served of the folder, by the ending of the name; notes and types for those who write the page are not."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content security policy: nothing from another origin, no inline script or style, no `eval`."""
SAFETY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
INDEX = "index.html"
_RELEASE, _PRELOADS = b"{{release}}", b"{{preloads}}"
_FIRST_MODULES = "app.js", "screens/search.js"
_IMPORT = re.compile(rb"""\bfrom\s*"(\.[^"]+)"|\bimport\s*"(\.[^"]+)\"""")
_COMMENT = re.compile(rb"^[ \t]*(?://[^\n]*|/\*(?:[^*]|\*(?!/))*\*/[ \t]*)$", re.MULTILINE)
_DIGEST_CHARS = 16


@dataclass(frozen=True)
class PageFile:
    """A file as it is sent.

    Attributes:
        body: its bytes.
        compressed: the same with gzip.
        media_type: for `Content-Type`.
        etag: a digest of the bytes, in quotation marks.
    """

    body: bytes
    compressed: bytes
    media_type: str
    etag: str


@dataclass(frozen=True)
class Page:
    """The files of the page.

    Attributes:
        release: a digest of all files, the name of the folder that they are served under.
        files: by their path below the folder; `index.html` names the release.
    """

    release: str
    files: Mapping[str, PageFile]

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Page:
        """Read and compress all files; takes some hundredths of a second, and blocks."""
        bodies = {path.relative_to(folder).as_posix(): _without_comments(path) for path in _served(folder)}
        release = _digest(*(part for name, body in bodies.items() for part in (name.encode("utf-8"), body)))
        index = bodies[INDEX].replace(_PRELOADS, _preloads(bodies).encode("ascii"))
        bodies[INDEX] = index.replace(_RELEASE, release.encode("ascii"))
        return cls(release, {name: _file(name, body) for name, body in bodies.items()})


def last_change(folder: Path = FOLDER) -> int:
    """When a file of the page was changed last, in nanoseconds; blocks."""
    return max(path.stat().st_mtime_ns for path in _served(folder))


def _served(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in MEDIA_TYPES)


def _without_comments(path: Path) -> bytes:
    """The bytes of a file; of a module without the lines that are comments and nothing else."""
    body = path.read_bytes()
    return _COMMENT.sub(lambda found: b"\n" * found[0].count(b"\n"), body) if path.suffix == ".js" else body


def _preloads(bodies: Mapping[str, bytes]) -> str:
    """Links to all modules that the first ones need, so that a browser asks for them at once and not one after another
    as it reads them."""
    found: dict[str, None] = {}
    waiting = list(_FIRST_MODULES)
    while waiting:
        name = waiting.pop()
        if name in found or name not in bodies:
            continue
        found[name] = None
        folder = posixpath.dirname(name)
        for match in _IMPORT.finditer(bodies[name]):
            target = (match[1] or match[2]).decode("utf-8")
            waiting.append(posixpath.normpath(posixpath.join(folder, target)))
    return "\n    ".join(f'<link rel="modulepreload" href="{{{{release}}}}/{name}" />' for name in sorted(found))


def _file(name: str, body: bytes) -> PageFile:
    compressed = gzip.compress(body, mtime=0)
    return PageFile(body, compressed, MEDIA_TYPES[Path(name).suffix], f'"{_digest(body)}"')


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:_DIGEST_CHARS]
