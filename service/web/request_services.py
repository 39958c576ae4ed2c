"""The services of the app that a request came to."""

from __future__ import annotations

from typing import cast

from fastapi import Request

from service.services import Services


def services_of(request: Request) -> Services:
    """The services that the app opened when it started."""
    return cast(Services, request.app.state.services)
