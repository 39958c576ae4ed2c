"""The parts that a running app is made of, as routes reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from service.config import Settings
from service.encoding import Encoder
from service.index.replica import Follower
from service.ingest import Ingest
from service.search import Search
from service.store.database import Database


@dataclass(frozen=True, slots=True)
class Parts:
    """What `create_app` put together; `app.state.parts` while the app runs."""

    settings: Settings
    database: Database
    encoder: Encoder
    follower: Follower
    ingest: Ingest
    search: Search


def parts_of(request: Request) -> Parts:
    """The parts of the app that answers a request."""
    return cast(Parts, request.app.state.parts)
