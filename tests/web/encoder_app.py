"""The routes of an encoder process in an app of their own, for tests of what is behind keys and limits."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.caller import ANYONE
from service.encoding.batcher import Batcher
from service.web.problems import install_problems
from service.web.routes.encoder import encoder_routes


def encoder_app(batcher: Batcher, **options: Any) -> FastAPI:
    """An app with the routes of an encoder process, whose callers need no key."""
    app = FastAPI()
    app.include_router(encoder_routes(batcher, **options))
    app.add_middleware(_WithCaller)
    install_problems(app)
    return app


class _WithCaller:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["caller"] = ANYONE
        await self.app(scope, receive, send)
