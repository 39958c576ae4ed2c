"""The settings of a command: the environment, and options, which take precedence."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from pydantic import ValidationError

from service.config import Settings
from service.errors import ConfigurationError
from service.logs import configure_logging

DatabaseUrl = Annotated[str | None, typer.Option(help="URL of the database, instead of NEARBIT_DATABASE_URL.")]


def settings_of(**options: object) -> Settings:
    """The settings of the environment and the options, which are put into the environment for child processes.

    Raises:
        ConfigurationError: a setting is not valid.
    """
    for name, value in options.items():
        if value is not None:
            os.environ[f"NEARBIT_{name.upper()}"] = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        settings = Settings()
    except ValidationError as error:
        faults = "; ".join(f"NEARBIT_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(faults) from None
    configure_logging(settings)
    return settings
