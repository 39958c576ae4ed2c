"""Create, change and drop collections; get one by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection

from service.errors import CollectionDiffers, InvalidInput, NotFound
from service.hashing.analysis import LANGUAGES
from service.hashing.codes import check_n_bits
from service.hashing.content import Kind
from service.hashing.digest import digest_of
from service.hashing.embedding_models import EmbeddingModels
from service.hashing.vectors import VectorSettings
from service.index.replicas import Follower
from service.store import collections, deletion, embedding_models, kept_queries, spaces, upkeep, words
from service.store.collections import Collection
from service.store.database import Database
from service.store.upkeep import RetrainPolicy, Upkeep
from service.store.words import WordSettings
from service.threads import run_in_thread, run_read


@dataclass(frozen=True)
class WordChanges:
    """What of the word settings of a collection is to change; None leaves it as it is."""

    language: str | None = None
    k1: float | None = None
    b: float | None = None
    title_weight: float | None = None
    synonyms: tuple[tuple[str, ...], ...] | None = None

    def applied_to(self, settings: WordSettings) -> WordSettings:
        """The settings with these changes."""
        return replace(settings, **self.given)

    @property
    def given(self) -> dict[str, Any]:
        """What is to change."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def refuse_for_images(self) -> None:
        """Refuse any change: pictures have no words.

        Raises:
            InvalidInput: there is one.
        """
        if self.given:
            raise InvalidInput(
                f"{next(iter(self.given))} is not for a collection of kind image: pictures have no words"
            )


@dataclass(frozen=True)
class UpkeepChanges:
    """What of the upkeep of a collection is to change; None leaves it as it is."""

    judge: str | None = None
    auto_retrain: Literal["off", "advise"] | RetrainPolicy | None = None
    keep_queries: int | None = None

    def applied_to(self, upkeep: Upkeep) -> Upkeep:
        """The settings with these changes."""
        return replace(upkeep, **{name: value for name, value in vars(self).items() if value is not None})


class CollectionWriter:
    """Creates, changes and drops collections; `has_buckets`: those it creates have buckets in SQL."""

    def __init__(self, database: Database, follower: Follower, *, has_buckets: bool = True) -> None:
        self.database = database
        self.follower = follower
        self.has_buckets = has_buckets

    async def create(
        self,
        name: str,
        kind: Kind,
        n_bits: int,
        changes: WordChanges | None = None,
        vectors: VectorSettings | None = None,
        upkeep: UpkeepChanges | None = None,
    ) -> tuple[Collection, bool]:
        """The collection of that name, and whether it is new; a new one answers at once from the untrained space.

        Args:
            name: of the collection.
            kind: what its documents are.
            n_bits: width of its codes.
            changes: word settings other than the defaults.
            vectors: what its vectors are; for the kind embedding.
            upkeep: how it is kept good, other than the defaults.

        Raises:
            CollectionDiffers: it exists with another kind, n_bits, vectors, word settings or upkeep.
            InvalidInput: codes cannot have that width, there is no such language, or a setting is not for that kind.
        """
        check_n_bits(n_bits)
        changes = changes or WordChanges()
        check_language(changes.language)
        if kind == "image":
            changes.refuse_for_images()
        if (kind == "embedding") != (vectors is not None):
            raise InvalidInput(f"dims must be given for kind embedding, and for no other, got kind {kind}")
        settings = (changes, upkeep or UpkeepChanges())
        collection, created = await run_in_thread(self._create, name, kind, n_bits, vectors, *settings)
        if created:
            self.follower.wake()
        return collection, created

    def _create(
        self,
        name: str,
        kind: Kind,
        n_bits: int,
        vectors: VectorSettings | None,
        changes: WordChanges,
        upkeep_changes: UpkeepChanges,
    ) -> tuple[Collection, bool]:
        from service.hashing.untrained import untrained_hash_function  # torch, which only new collections wait for

        dims = 0 if vectors is None else vectors.dims
        content = untrained_hash_function(n_bits, kind=kind, dims=dims).to_bytes()
        with self.database.write() as connection:
            collection = collections.create(connection, name, kind, n_bits, vectors)
            created = not spaces.list(connection, collection.id)
            if created:
                spaces.put_function(connection, content, digest_of(content))
                digest = digest_of(content)
                spaces.create_untrained(connection, collection, digest, has_buckets=self.has_buckets)
                if vectors is not None:
                    embedding_models.create(connection, collection.id, vectors.model, vectors.dims)
                _apply(connection, collection.id, changes, upkeep_changes)
            else:
                settings, _ = words.get(connection, collection.id)
                _refuse_others(name, changes.applied_to(settings).given, settings.given)
                kept = upkeep.get(connection, collection.id)
                _refuse_others(name, upkeep_changes.applied_to(kept).to_row(), kept.to_row())
        return collection, created

    async def change(self, name: str, changes: WordChanges, upkeep: UpkeepChanges | None = None) -> None:
        """Change how words are found, and how the collection is kept good.

        Another language has the words read anew, while the old ones answer.

        Raises:
            NotFound: there is no such collection.
            InvalidInput: there is no such language, or the collection has no words.
        """
        check_language(changes.language)
        collection = await get_collection(self.database, name)
        if collection.kind == "image":
            changes.refuse_for_images()
        await run_in_thread(self._change, collection.id, changes, upkeep or UpkeepChanges())
        self.follower.wake()

    def _change(self, collection_id: int, changes: WordChanges, upkeep_changes: UpkeepChanges) -> None:
        with self.database.write() as connection:
            _apply(connection, collection_id, changes, upkeep_changes)

    async def drop(self, name: str) -> None:
        """Drop a collection: its name is free at once, and a job deletes everything that it had.

        Raises:
            NotFound: there is none.
        """
        await get_collection(self.database, name)
        await run_in_thread(self._drop, name)
        self.follower.wake()

    def _drop(self, name: str) -> None:
        with self.database.write() as connection:
            dropped = collections.drop(connection, name)
            if dropped is None:  # by another call, a moment ago
                raise NotFound("collection", name)
            deletion.enqueue(connection, dropped, "drop_collection")


def _apply(connection: Connection, collection_id: int, changes: WordChanges, upkeep_changes: UpkeepChanges) -> None:
    settings, _ = words.lock(connection, collection_id)
    wanted = changes.applied_to(settings)
    if wanted != settings:
        words.put(connection, collection_id, wanted)
    kept = upkeep.lock(connection, collection_id)
    if (wanted_upkeep := upkeep_changes.applied_to(kept)) != kept:
        upkeep.put(connection, collection_id, wanted_upkeep)
        if not wanted_upkeep.keep_queries:
            kept_queries.clear(connection, collection_id)


def _refuse_others(name: str, asked: Mapping[str, object], existing: Mapping[str, object]) -> None:
    for setting, value in asked.items():
        if value != existing[setting]:
            raise CollectionDiffers(name, setting, existing[setting], value)


def check_language(language: str | None) -> None:
    """Refuse a language that words cannot be analyzed by.

    Raises:
        InvalidInput: there is no such language.
    """
    if language is not None and language not in ("auto", "none", *LANGUAGES):
        raise InvalidInput(f"language must be auto, none or one of {', '.join(LANGUAGES)}, got {language!r}")


async def get_collection(database: Database, name: str) -> Collection:
    """The collection of that name.

    Raises:
        NotFound: there is none.
    """

    def read() -> Collection:
        with database.read() as connection:
            return collections.get(connection, name)

    return await run_read(database, read)


async def get_models(database: Database, collection: Collection) -> EmbeddingModels | None:
    """The embedding models of a collection; None of other kinds than embedding."""
    if collection.kind != "embedding":
        return None

    def read() -> EmbeddingModels | None:
        with database.read() as connection:
            return embedding_models.of_collection(connection, collection)

    return await run_read(database, read)
