"""Services: the parts of a process put together, for the web and for an embedded use without a server."""

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
from service.index.replicas import Follower
from service.ingest.collections import CollectionWriter
from service.ingest.document_changes import DocumentChanger
from service.ingest.documents import DocumentWriter
from service.ingest.drift import DriftWatch
from service.ingest.idempotency import IdempotentCalls
from service.ingest.imports import ImportWriter
from service.ingest.kept_queries import KeptQueries
from service.ingest.maps import MapJobs
from service.ingest.pairs import PairWriter
from service.ingest.quality import QualityReports
from service.ingest.spaces import SpaceWriter
from service.ingest.vectors import VectorWriter
from service.search.bits import BitDescriptions
from service.search.by_number import ByNumber
from service.search.code_reader import CodeReader
from service.search.column_values import ColumnValues
from service.search.compare import Compare
from service.search.duplicates import Duplicates
from service.search.export import Exporter
from service.search.job_events import JobEvents
from service.search.listing import Listing
from service.search.lookup import Lookup
from service.search.maps import MapReader
from service.search.preview import Previews
from service.search.search import Search
from service.store import spaces
from service.store.database import Database
from service.store.migrations import prepare
from service.store.usage import UsageCounter
from service.threads import run_in_thread


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that an API process works with.

    Attributes:
        settings: of the installation.
        database: holds the truth.
        encoder: gives codes to contents.
        follower: keeps the replicas up to date.
        collections: creates and drops collections.
        documents: puts documents.
        document_changes: patches and deletes documents.
        vectors: puts vectors of further embedding models to documents.
        pairs: keeps what people said of pairs of documents.
        kept_queries: lists and deletes the queries that collections keep.
        quality: has code spaces judged, and reads the reports.
        spaces: retrains, promotes and rolls back.
        lookup: reads what is stored.
        listing: lists documents by their metadata.
        search: finds what is similar, what a person types, and what is like examples.
        duplicates: finds groups of near duplicates.
        bits: describes the bits of code spaces.
        compare: compares documents.
        maps: reads maps and all codes.
        map_jobs: has maps computed.
        column_values: reads metadata as arrays.
        by_number: reads documents by their numbers.
        idempotency: keeps the answers of calls that may be sent again.
        exporter: reads whole collections.
        imports: receives what is to be imported.
        previews: compares the answers of code spaces.
        drift: keeps what was counted, and says when a retrain is advised.
    """

    settings: Settings
    database: Database
    encoder: Encoder
    follower: Follower
    collections: CollectionWriter
    documents: DocumentWriter
    document_changes: DocumentChanger
    vectors: VectorWriter
    pairs: PairWriter
    kept_queries: KeptQueries
    quality: QualityReports
    spaces: SpaceWriter
    lookup: Lookup
    listing: Listing
    search: Search
    duplicates: Duplicates
    bits: BitDescriptions
    compare: Compare
    job_events: JobEvents
    codes: CodeReader
    maps: MapReader
    map_jobs: MapJobs
    column_values: ColumnValues
    by_number: ByNumber
    idempotency: IdempotentCalls
    exporter: Exporter
    imports: ImportWriter
    previews: Previews
    drift: DriftWatch

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The services that the settings describe, the follower not started yet. Blocks while it reads the database.

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
        follower = Follower(
            database,
            node_id=f"{os.uname().nodename}-{os.getpid()}-{id(database):x}",
            poll_interval_s=settings.poll_interval_s,
            snapshots=settings.data_dir / "snapshots" / sha256(database.place.encode()).hexdigest()[:16],
            unload_after_s=settings.unload_after_s,
            unload_from_bytes=settings.unload_from_bytes,
        )
        bits, usage = BitDescriptions(database), UsageCounter()
        return cls(
            settings,
            database,
            encoder,
            follower,
            CollectionWriter(database, follower, has_buckets=settings.sql_index == "full"),
            DocumentWriter(database, encoder, follower, settings, usage),
            DocumentChanger(database, follower),
            VectorWriter(database, encoder, follower, settings),
            PairWriter(database),
            KeptQueries(database),
            QualityReports(database, settings),
            SpaceWriter(database, encoder, follower, settings),
            Lookup(database),
            Listing(database, follower, settings),
            Search(database, encoder, follower, settings, bits, usage),
            Duplicates(database, follower),
            bits,
            Compare(database, encoder, follower, settings),
            JobEvents(database),
            CodeReader(database, encoder, follower),
            MapReader(database, follower),
            MapJobs(database),
            ColumnValues(database, follower),
            ByNumber(database, settings.max_read_bytes),
            IdempotentCalls(database),
            Exporter(database),
            ImportWriter(database, settings),
            Previews(database, encoder),
            DriftWatch(database, usage, settings.min_train_documents),
        )

    def start(self) -> None:
        """Start to follow the database; what encodes is made ready once the replicas have caught up."""
        if isinstance(self.encoder, Batcher):
            self.follower.when_caught_up(self.encoder.prepare)
        self.follower.start()
        self.drift.start()

    async def close(self) -> None:
        """Stop following, encode what is waiting, close the database."""
        self.job_events.stop()
        await run_in_thread(self.follower.stop)
        await run_in_thread(self.drift.stop)
        await self.bits.close()
        await self.encoder.close()
        self.database.close()


@dataclass(frozen=True, slots=True)
class EncoderServices:
    """Everything that an encoder process works with: the database, for its hash functions, and the batcher."""

    database: Database
    encoder: Batcher

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The services that the settings describe.

        Raises:
            ConfigurationError: the device is not on this machine.
        """
        database = Database.open(settings.database_url)
        return cls(database, open_batcher(settings, database))

    async def close(self) -> None:
        """Encode what is waiting, close the database."""
        await self.encoder.close()
        self.database.close()


def open_encoder(settings: Settings, database: Database) -> Encoder:
    """The encoder of an API process: a client of the encoder process if the settings name one, else a batcher."""
    return EncoderClient.of(settings) if settings.encoder_url else open_batcher(settings, database, settings.workers)


def open_batcher(settings: Settings, database: Database, n_processes: int = 1) -> Batcher:
    """A batcher, which runs the hash functions of the database in this process, one of so many like it.

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
        n_processes=n_processes,
    )
