from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cli.sources.mapping import ColumnNames
from service.cli.sources.opening import open_source
from service.cli.sources.source import ReadDocument, Refused
from service.errors import InvalidInput

NOTES = "id,title,body,year,zip,open,lang\n1,One,first body,2020,01234,true,en\n2,,second body,,99999,false,\n"


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, **names: Any) -> tuple[list[dict[str, Any]], list[Refused], str]:
    """Documents, what is refused, and what was found."""
    with open_source(path, columns=ColumnNames(**names)) as source:
        found = list(source)
        said = source.needs.found
        assert source.damage is None, source.damage
    documents = [json.loads(one.body) for one in found if isinstance(one, ReadDocument)]
    return documents, [one for one in found if isinstance(one, Refused)], said


def test_columns_are_guessed_from_their_names_and_values_and_the_guess_is_told(tmp_path: Path) -> None:
    documents, refused, said = read(written(tmp_path / "notes.csv", NOTES))
    assert documents == [
        {
            "id": "1",
            "title": "One",
            "text": "first body",
            "metadata": {"year": 2020, "zip": "01234", "open": True, "lang": "en"},
        },
        {"id": "2", "text": "second body", "metadata": {"zip": "99999", "open": False}},
    ]
    assert refused == []
    assert said == "id from id; title from title; text from body; metadata from year, zip, open, lang"


def test_columns_that_are_named_are_taken_as_they_are_named(tmp_path: Path) -> None:
    file = written(tmp_path / "notes.csv", NOTES)
    documents, _, said = read(file, id="zip", text=["body", "lang"], metadata=["year"])
    assert documents[0] == {"id": "01234", "text": "first body\n\nen", "metadata": {"year": 2020}}
    assert documents[1] == {"id": "99999", "text": "second body"}
    assert said == "id from zip; text from body, lang; metadata from year"
    documents, _, _ = read(file, text=["title", "body"], metadata=[])
    assert documents == [{"id": "1", "title": "One", "text": "first body"}, {"id": "2", "text": "second body"}]
    with pytest.raises(InvalidInput, match=r"has no column 'none', it has: id, title, body"):
        read(file, id="none")


def test_without_a_known_name_the_column_with_the_longest_texts_is_the_text(tmp_path: Path) -> None:
    rows = "a;b;c\n1;short;a much longer text\n2;brief;another long text\n"
    documents, _, said = read(written(tmp_path / "x.csv", rows))
    assert documents[0] == {"text": "a much longer text", "metadata": {"a": 1, "b": "short"}}
    assert said == "ids made by the service; text from c; metadata from a, b"
    with pytest.raises(InvalidInput, match="must have a column of texts: name it with --text"):
        read(written(tmp_path / "numbers.csv", "a,b\n1,2\n"))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@given(rows=st.lists(st.tuples(*[st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=9)] * 2), min_size=1))
def test_what_the_csv_module_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, separator: str, rows: list[tuple[str, str]]
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerow(["text", "other"])
    writer.writerows((f"x{text}\n\"'{separator}", other) for text, other in rows)
    file = written(tmp_path_factory.mktemp("csv") / "x.tsv", "\ufeff" + out.getvalue())
    documents, refused, _ = read(file, metadata=["other"])
    assert [one["text"] for one in documents] == [f"x{text}\n\"'{separator}" for text, _ in rows]
    assert refused == []


def test_a_row_of_another_length_is_refused_and_all_others_are_read(tmp_path: Path) -> None:
    documents, refused, _ = read(written(tmp_path / "x.csv", "id,text\n1,a\n2\n\n3,b,c\n4,d\n"))
    assert [one["id"] for one in documents] == ["1", "4"]
    assert [(one.line, one.reason) for one in refused] == [
        (2, "must have 2 values, got 1"),
        (3, "must have 2 values, got 3"),
    ]


def test_packed_tables_are_read_and_damaged_ones_are_read_up_to_the_damage(tmp_path: Path) -> None:
    content = "id,text\r\n" + "".join(f"{i},number {i * 7919}\r\n" for i in range(6_000))
    file = written(tmp_path / "x.csv.gz", gzip.compress(content.encode()))
    assert len(read(file)[0]) == 6_000
    written(file, gzip.compress(content.encode())[:-9_000])
    with open_source(file) as source:
        n = len(list(source))
        assert 1_000 < n < 6_000
        assert source.damage is not None
        assert f"is damaged after row {n}" in source.damage


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "must have rows, it has none"),
        ("id,text\n", "must have rows, it has none"),
        ("id,text,id\n1,a,2\n", "must name each column once, got 'id'"),
        ("id,text\n1,ä\n".encode("utf-16"), "must be UTF-8, it begins as UTF-16"),
        ("id,text\n1,ä\n".encode("latin-1"), "must be UTF-8, got byte 0xe4"),
        ('id,text\n1,"a\n', "must be CSV: unexpected end of data"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error_before_anything_is_sent(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        open_source(written(tmp_path / "x.csv", content))


def test_options_of_another_kind_of_source_are_refused(tmp_path: Path) -> None:
    lines = written(tmp_path / "x.jsonl", '{"text": "x"}\n')
    with pytest.raises(InvalidInput, match=r"--id with names of columns is for tables"):
        open_source(lines, columns=ColumnNames(id="id"))
    with pytest.raises(InvalidInput, match=r"--label is not for tables"):
        open_source(written(tmp_path / "x.csv", NOTES), label="kind")
    with pytest.raises(InvalidInput, match="must be UTF-8, it begins as UTF-16"):
        open_source(written(tmp_path / "utf.jsonl", '{"text": "x"}\n'.encode("utf-16")))


def test_a_parquet_file_is_read_with_its_types(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {
        "doc_id": list(range(2_500)),
        "text": [f"number {i}" for i in range(2_500)],
        "tags": [["a", None]] * 2_500,
        "on": [date(2026, 12, 1)] * 2_500,
    }
    parquet.write_table(arrow.table(columns), tmp_path / "x.parquet")
    documents, refused, said = read(tmp_path / "x.parquet")
    assert (len(documents), refused) == (2_500, [])
    assert documents[7] == {"id": "7", "text": "number 7", "metadata": {"tags": ["a", None], "on": "2026-12-01"}}
    assert said == "id from doc_id; text from text; metadata from tags, on"
    parquet.write_table(arrow.table({"id": ["a"], "embedding": [[1.0, 2.0]]}), tmp_path / "v.parquet")
    with open_source(tmp_path / "v.parquet") as source:
        assert (source.needs.kind, source.needs.dims) == ("embedding", 2)
        assert [json.loads(one.body)["vector"] for one in source if isinstance(one, ReadDocument)] == [[1.0, 2.0]]
    with pytest.raises(InvalidInput, match="is not a Parquet file that can be read"):
        open_source(written(tmp_path / "no.parquet", "text"))


def test_without_its_library_a_packed_or_parquet_file_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("service.cli.sources.tables.import_module", missing)
    monkeypatch.setattr("service.cli.sources.packed.import_module", missing)
    with pytest.raises(InvalidInput, match="install the package pyarrow"):
        open_source(written(tmp_path / "x.parquet", "PAR1"))
    with pytest.raises(InvalidInput, match="install the package zstandard"):
        open_source(written(tmp_path / "x.jsonl.zst", b"\x28\xb5\x2f\xfd..."))


def test_a_file_packed_with_zstandard_is_read(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.ZstdCompressor().compress(NOTES.encode() * 1)
    assert len(read(written(tmp_path / "notes.csv.zst", packed))[0]) == 2
    lines = b"".join(b'{"text": "number %d"}\n' % i for i in range(1_000))
    packed = zstandard.ZstdCompressor().compress(lines)
    documents, _, _ = read(written(tmp_path / "x.jsonl.zst", packed))
    assert len(documents) == 1_000
