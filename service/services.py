"""Services: the parts of a process put together, for the web and for whoever uses nearbit without a server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from service.config import Settings
from service.encoding import Encoder
from service.encoding.batcher import Batcher
from service.encoding.client import EncoderClient
from service.errors import NearbitError
from service.hashing.device import share_cores
from service.index.replicas import Follower
from service.ingest.documents import Ingest
from service.search.search import Search
from service.store import spaces
from service.store.database import Database
from service.store.migrations import prepare
from service.threads import run_in_thread


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a process: where the truth is, who encodes, who follows, and the use-cases."""

    settings: Settings
    database: Database
    encoder: Encoder
    follower: Follower
    ingest: Ingest
    search: Search

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The parts as the settings say, the follower not started yet. Blocks while it looks at the database.

        Raises:
            DatabaseUnavailable, SchemaMismatch: the database cannot be served from.
            ConfigurationError: the device is not on this machine.
        """
        database = Database.open(settings.database_url)
        try:
            prepare(database)
            encoder = open_encoder(settings, database)
        except NearbitError:
            database.close()
            raise
        share_cores(settings.workers)
        follower = Follower(
            database,
            node_id=f"{os.uname().nodename}-{os.getpid()}-{id(database):x}",
            poll_interval_s=settings.poll_interval_s,
            snapshots=settings.data_dir / "snapshots" / sha256(database.place.encode()).hexdigest()[:16],
            unload_after_s=settings.unload_after_s,
            unload_from_bytes=settings.unload_from_bytes,
        )
        ingest = Ingest(database, encoder, follower, settings)
        search = Search(database, encoder, follower, settings)
        return cls(settings, database, encoder, follower, ingest, search)

    def start(self) -> None:
        """Follow the database from now on."""
        self.follower.start()

    async def close(self) -> None:
        """Stop following, finish what waits for a code, let go of the database."""
        await run_in_thread(self.follower.stop)
        await self.encoder.close()
        self.database.close()


def open_encoder(settings: Settings, database: Database) -> Encoder:
    """Who gives codes to contents: the encoder process if one is named, else this process."""
    return EncoderClient.of(settings) if settings.encoder_url else open_batcher(settings, database)


def open_batcher(settings: Settings, database: Database) -> Batcher:
    """The hash functions of the database, run in this process.

    Raises:
        ConfigurationError: the device is not on this machine.
    """

    def load(digest: str) -> bytes:
        with database.read() as connection:
            return spaces.get_function(connection, digest)

    return Batcher(
        load,
        device=settings.device,
        max_batch=settings.encoder_batch,
        max_queue=settings.encoder_queue,
        cache=settings.encoder_cache,
    )
