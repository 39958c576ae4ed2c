"""The page at `/ui`, and the way to it from `/`.

These are routes of our own and not FastAPI's `frontend`, whose answers have no content security policy, are not
compressed, and have an `ETag` that changes whenever the files are installed again.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from service.threads import run_in_thread
from service.web.page import INDEX, SAFETY_HEADERS, Page, PageFile, last_change

_KEPT_FOR_EVER = "public, max-age=31536000, immutable"
_ASKED_EACH_TIME = "no-cache"


def page_routes() -> APIRouter:
    """Routes that need no key: the page asks for one itself where its calls need one."""
    router = APIRouter(include_in_schema=False)
    kept = _KeptPage()

    @router.get("/")
    async def root(request: Request) -> Response:
        """A browser is sent to the page; for others there is nothing here."""
        if "text/html" not in request.headers.get("accept", ""):
            raise HTTPException(404)
        return _sent_to_page()

    @router.get("/ui")
    async def without_slash() -> Response:
        """To the page, whose files are named relative to its folder."""
        return _sent_to_page()

    @router.get("/ui/")
    async def index(request: Request) -> Response:
        """The page."""
        return _response(request, (await kept.latest()).files[INDEX], _ASKED_EACH_TIME)

    @router.get("/ui/{release}/{path:path}")
    async def file(request: Request, release: str, path: str) -> Response:
        """A file of the page; those of another release are not here, and the page says that it must be loaded again."""
        page = await kept.loaded()
        if release != page.release or path == INDEX or path not in page.files:
            raise HTTPException(404)
        return _response(request, page.files[path], _KEPT_FOR_EVER)

    return router


class _KeptPage:
    """The page in memory, read when it is first asked for, and again when its files have changed."""

    def __init__(self) -> None:
        self._page: Page | None = None
        self._changed = 0
        self._reading = asyncio.Lock()

    async def latest(self) -> Page:
        """The page as its files are now."""
        async with self._reading:
            changed = await run_in_thread(last_change)
            if self._page is None or changed != self._changed:
                self._page, self._changed = await run_in_thread(Page.read), changed
            return self._page

    async def loaded(self) -> Page:
        """The page as it was read last."""
        return self._page or await self.latest()


def _sent_to_page() -> Response:
    """A redirect that is relative, so that it holds whatever a proxy puts before the path."""
    return Response(status_code=307, headers={"Location": "ui/", "Cache-Control": _ASKED_EACH_TIME})


def _response(request: Request, file: PageFile, cache_control: str) -> Response:
    headers = {**SAFETY_HEADERS, "Cache-Control": cache_control, "ETag": file.etag, "Vary": "Accept-Encoding"}
    known = (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(","))
    if file.etag in known:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, media_type=file.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(file.body, media_type=file.media_type, headers=headers)
