"""Word build: reads the words of a large collection in a process of its own, and leaves them as a snapshot.

To analyze a million texts takes minutes, with the lock of the interpreter: in a thread they would slow down every
request that the process answers meanwhile.

    python -m service.index.document_build COLLECTION_ID FOLDER      (the URL of the database on standard input)
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import structlog
from sqlalchemy import Connection

from service.index.document_replica import DocumentReplica
from service.store import overviews
from service.store.database import Database
from service.store.snapshots import OF_WORDS

log = structlog.get_logger(__name__)

_NICENESS = 10


class DocumentBuild:
    """Has snapshots of words written, each by a process of its own.

    Args:
        database: whose collections.
        snapshots: the folder.
    """

    def __init__(self, database: Database, snapshots: Path) -> None:
        self.database = database
        self.snapshots = snapshots
        self._process: subprocess.Popen[str] | None = None
        self._is_stopped = False

    def run(self, collection_id: int) -> None:
        """Have the snapshot of a collection's words written. Blocks for as long as it takes.

        Where the process does not start or fails, the log says so; the caller then reads the words itself.
        """
        command = [
            sys.executable,
            "-m",
            "service.index.document_build",
            str(collection_id),
            str(self.snapshots.resolve()),
        ]
        url = self.database.engine.url.render_as_string(hide_password=False)
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)
        except OSError as error:
            log.warning("words are read in this process", collection_id=collection_id, error=str(error))
            return
        if self._is_stopped:
            self.stop()
        output, _ = self._process.communicate(url)
        if self._process.returncode and not self._is_stopped:
            last = output.strip().rpartition("\n")[2]
            log.warning("words are read in this process", collection_id=collection_id, error=last)

    def stop(self) -> None:
        """End the process that runs, if one does, and each that is started later."""
        self._is_stopped = True
        if self._process is not None:
            self._process.terminate()


def build(url: str, collection_id: int, snapshots: Path) -> None:
    """Read the words of a collection and write their snapshot; nothing if the collection is gone.

    A token in the database says, at the end, that it was not restored meanwhile.
    """
    database = Database.open(url)
    try:
        with database.read() as connection:
            found = [one for one in overviews.read(connection) if one.collection_id == collection_id]
        for collection in found:
            with database.write() as connection:
                token = OF_WORDS.record(connection, collection_id, 0)

            def is_read(connection: Connection, token: str = token) -> bool:
                return OF_WORDS.is_known(connection, collection_id, token, 0)

            DocumentReplica.load(database, collection).save(database, snapshots, is_read)
            with database.write() as connection:
                OF_WORDS.forget(connection, collection_id, token)
    finally:
        database.close()


if __name__ == "__main__":
    os.nice(_NICENESS)
    build(sys.stdin.read(), int(sys.argv[1]), Path(sys.argv[2]))
