"""Tables, a document a row: CSV and TSV by the csv module, Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import io
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import Any

from service.cli.client import to_json_bytes
from service.cli.sources.mapping import ColumnMapping, ColumnNames
from service.cli.sources.packed import damages, unpacked
from service.cli.sources.source import Needs, ReadDocument, Refused
from service.errors import InvalidInput

_SAMPLE_ROWS = 1_000
_SNIFFED_CHARS = 64 << 10
_ROWS_AT_ONCE = 1_000
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_MAX_FIELD_CHARS = 16 << 20
CSV_ENDINGS, PARQUET_ENDINGS = (".csv", ".tsv", ".tab"), (".parquet", ".pq")
_PACKED_ENDINGS = (".gz", ".zst")


def is_table(path: Path) -> bool:
    """Whether the ending of a path is that of a table, packed or not."""
    name = path.name.lower()
    for ending in _PACKED_ENDINGS:
        name = name.removesuffix(ending)
    return name.endswith((*CSV_ENDINGS, *PARQUET_ENDINGS))


def open_table(path: Path, names: ColumnNames) -> Table:
    """The table of a path; see `Table`."""
    is_parquet = path.name.lower().endswith(PARQUET_ENDINGS)
    return ParquetTable(path, names) if is_parquet else CsvTable(path, names)


class Table:
    """The rows of a table, each a document; iterate once. Rows are counted from 1, the line of names left out.

    Args:
        path: of the file.
        names: what a person says of its columns.

    Raises:
        InvalidInput: it is no such table, has no rows, or no column that could be the text.

    Attributes: see `Source`.
    """

    unit = "row"
    attached = None

    def __init__(self, path: Path, names: ColumnNames) -> None:
        self.name = str(path)
        self.damage: str | None = None
        self._n_rows = 0
        self._rows = self._read()
        try:
            sample = [*islice(self._rows, _SAMPLE_ROWS)]
            if self.damage:
                raise InvalidInput(self.damage)
            if not sample:
                raise InvalidInput(f"{path} must have rows, it has none")
            readable = [row for row in sample if isinstance(row, Mapping)]
            self.mapping = ColumnMapping.of(self._columns(), readable, names, self.name)
        except BaseException:
            self.__exit__()
            raise
        self._left = chain(sample, self._rows)
        self.needs = self._needs(readable)

    @property
    @abstractmethod
    def total(self) -> int | None:
        """See `Source`."""

    @property
    @abstractmethod
    def position(self) -> int:
        """See `Source`."""

    @abstractmethod
    def _columns(self) -> list[str]:
        """Names of the columns."""

    @abstractmethod
    def _read(self) -> Iterator[Mapping[str, Any] | InvalidInput]:
        """The rows, or what is wrong with them."""

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Close the file."""

    def __enter__(self) -> Table:
        return self

    def __iter__(self) -> Iterator[ReadDocument | Refused]:
        for number, row in enumerate(self._left, 1):
            if isinstance(row, InvalidInput):
                yield Refused(number, str(row), "")
                continue
            document = self.mapping.document(row)
            id = document.get("id", "")
            try:
                body = to_json_bytes(document)
            except InvalidInput as error:
                yield Refused(number, str(error), "", id)
            else:
                yield ReadDocument(number, body, id or f"\0{number}", body)

    def _needs(self, sample: list[Mapping[str, Any]]) -> Needs:
        described = self.mapping.described()
        if self.mapping.vector is None:
            return Needs("text", None, described)
        vectors = (row[self.mapping.vector] for row in sample)
        vector: list[float] = next(found for found in vectors if found is not None)
        return Needs("embedding", len(vector), f"{described}: kind embedding")


class CsvTable(Table):
    """A CSV file, gzipped or not, whose first line names the columns; the separator is found by itself."""

    def __init__(self, path: Path, names: ColumnNames) -> None:
        self._file = path.open("rb")
        self._size = path.stat().st_size if path.is_file() else None
        try:
            self._content = unpacked(self._file, str(path))
        except InvalidInput:
            self._file.close()
            raise
        self._text: io.TextIOWrapper | None = None
        self._reader: csv.DictReader[str] | None = None
        super().__init__(path, names)

    @property
    def total(self) -> int | None:
        """Length of the file in bytes."""
        return self._size

    @property
    def position(self) -> int:
        """Bytes of the file that were read."""
        return self._file.tell()

    def __exit__(self, *_: object) -> None:
        if self._text is not None:
            self._text.close()
        self._file.close()

    def _columns(self) -> list[str]:
        assert self._reader is not None
        return [column for column in self._reader.fieldnames or () if column is not None]

    def _read(self) -> Iterator[Mapping[str, Any] | InvalidInput]:
        if self._content.peek(2)[:2] in _UTF_16:
            raise InvalidInput(f"{self.name} must be UTF-8, it begins as UTF-16")
        text = self._text = io.TextIOWrapper(self._content, "utf-8-sig", newline="")
        csv.field_size_limit(_MAX_FIELD_CHARS)
        try:
            beginning = text.read(_SNIFFED_CHARS)
            beginning += text.readline()
            lines = chain(io.StringIO(beginning, newline=""), text)
            self._reader = csv.DictReader(lines, dialect=_dialect(beginning), strict=True)
            names = self._reader.fieldnames or []
            if repeated := {name for name in names if names.count(name) > 1}:
                raise InvalidInput(f"{self.name} must name each column once, got {min(repeated)!r} more than once")
            for row in self._reader:
                yield self._checked(row, len(names))
        except UnicodeDecodeError as error:
            self.damage = (
                f"{self.name} must be UTF-8, got byte {error.object[error.start]:#04x} after row {self._n_rows}"
            )
        except csv.Error as error:
            self.damage = f"{self.name} must be CSV: {error} after row {self._n_rows}"
        except damages() as error:
            self.damage = f"{self.name} is damaged after row {self._n_rows}: {error}"

    def _checked(self, row: dict[Any, Any], n_columns: int) -> Mapping[str, Any] | InvalidInput:
        self._n_rows += 1
        if None in row:
            return InvalidInput(f"must have {n_columns} values, got {n_columns + len(row[None])}")
        if any(value is None for value in row.values()):
            return InvalidInput(f"must have {n_columns} values, got {sum(v is not None for v in row.values())}")
        return row


def _dialect(beginning: str) -> type[csv.Dialect]:
    """How values are separated and quoted: by the separator that the line of names has most, quotes doubled."""
    header = beginning.splitlines()[0] if beginning else ""
    most = max(",;\t|", key=header.count)

    class Found(csv.excel):
        delimiter = most

    return Found


class ParquetTable(Table):
    """A Parquet file, read a thousand rows at a time."""

    def __init__(self, path: Path, names: ColumnNames) -> None:
        try:
            arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        except ImportError:
            raise InvalidInput(f"{path} is a Parquet file: install the package pyarrow to import it") from None
        self._arrow_error: type[Exception] = arrow.ArrowException
        try:
            self._parquet: Any = parquet.ParquetFile(path)
        except self._arrow_error as error:
            raise InvalidInput(f"{path} is not a Parquet file that can be read: {error}") from None
        super().__init__(path, names)

    @property
    def total(self) -> int | None:
        """Number of rows."""
        return int(self._parquet.metadata.num_rows)

    @property
    def position(self) -> int:
        """Rows that were read."""
        return self._n_rows

    def __exit__(self, *_: object) -> None:
        self._parquet.close()

    def _columns(self) -> list[str]:
        return [str(name) for name in self._parquet.schema_arrow.names]

    def _read(self) -> Iterator[Mapping[str, Any] | InvalidInput]:
        try:
            for batch in self._parquet.iter_batches(batch_size=_ROWS_AT_ONCE):
                rows: list[dict[str, Any]] = batch.to_pylist()
                for row in rows:
                    self._n_rows += 1
                    yield row
        except (self._arrow_error, OSError) as error:
            self.damage = f"{self.name} is damaged after row {self._n_rows}: {error}"
