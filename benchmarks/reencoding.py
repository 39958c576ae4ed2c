"""How fast a code space is given its codes: in the commit lane row by row, and outside of it in bulk.

    python -m benchmarks.reencoding [--database sqlite|postgresql] [--documents 100000] [--n-bits 64]

The hash function takes no time: random codes, so that the database alone is measured. Each way in a space of its own,
one after another; the first is what release 0.1 did.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy import update

from benchmarks.chaos.installation import migrate, postgres
from service.hashing.codes import Codes
from service.hashing.content import Contents, Text
from service.store import bucket_build, collections, documents, schema, spaces
from service.store.collections import Collection
from service.store.database import Database
from service.store.documents import NewDocument
from service.store.promotion import Completion
from service.store.spaces import CodeSpace


def random_codes(n_bits: int) -> Callable[[Contents], Codes]:
    rng = np.random.default_rng(1)
    return lambda contents: rng.integers(0, 256, (len(contents), n_bits // 8), dtype=np.uint8)


def stored(database: Database, n: int, n_bits: int) -> Collection:
    """A collection of n short documents without codes in any space but the untrained one, which has none either."""
    with database.write() as connection:
        collection = collections.create(connection, "texts", "text", n_bits)
        spaces.put_function(connection, b"made up", "first")
        spaces.create_untrained(connection, collection, "first")
    for start in range(0, n, 5_000):
        new = [NewDocument(f"d{i}", Text(f"text {i} " + "word " * 20), {}) for i in range(start, min(start + 5_000, n))]
        with database.lane(collection.id) as lane:
            documents.put(lane, new)
    return collection


def begun(database: Database, collection: Collection, n_bits: int, *, has_buckets: bool) -> CodeSpace:
    """A space in state encoding."""
    table = schema.code_spaces
    with database.write() as connection:
        if (before := spaces.building(connection, collection.id)) is not None:
            spaces.fail(connection, before.id, "measured")
        space = spaces.start(connection, collection.id, n_bits, "semantic_hashing")
        spaces.put_function(connection, b"made up", f"digest {space.id}")
        spaces.set_digest(connection, space.id, f"digest {space.id}")
        spaces.move(connection, space.id, "encoding")
        connection.execute(update(table).where(table.c.id == space.id).values(has_buckets=has_buckets))
        return spaces.by_id(connection, space.id)


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def measure(url: str, options: argparse.Namespace) -> None:
    n, n_bits = options.documents, options.n_bits
    database = Database.open(url)
    collection = stored(database, n, n_bits)

    def shown(what: str, took_s: float, first_s: float) -> None:
        print(f"{what:58} {took_s:8.2f} s {n / took_s:10,.0f} documents/s {first_s / took_s:6.1f} x")

    def fill(space: CodeSpace) -> None:
        Completion(database, space, random_codes(n_bits), lambda done: None).catch_up(1e9)

    before = begun(database, collection, n_bits, has_buckets=True)
    first_s = seconds(lambda: fill(before))
    shown("in the commit lane, with their buckets", first_s, first_s)
    space = begun(database, collection, n_bits, has_buckets=False)
    fill_s = seconds(lambda: fill(space))
    shown("in bulk, one encoder: codes", fill_s, first_s)
    with database.write() as connection:
        space = spaces.move(connection, space.id, "evaluating")
    build_s = seconds(lambda: bucket_build.build(database, space))
    shown("buckets in one go", build_s, first_s)
    shown("both", fill_s + build_s, first_s)
    database.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reencoding", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--n-bits", type=int, default=64)
    options = parser.parse_args()
    processor = platform.processor() or platform.machine()
    print(f"{options.database}, {options.documents:,} documents, {options.n_bits} bits; {processor}")
    with tempfile.TemporaryDirectory(prefix="nbr-") as name:
        if options.database == "postgresql":
            with postgres(Path(name)) as server:
                migrate(server.get_uri())
                measure(server.get_uri(), options)
        else:
            url = f"sqlite:///{name}/nearbit.db"
            migrate(url)
            measure(url, options)


if __name__ == "__main__":
    main()
