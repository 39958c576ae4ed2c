"""Files of vectors: every form that can be read gives its rows, and every other is refused before anything is sent."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from service.cli.sources.beside import BesideVectors
from service.cli.sources.opening import open_source
from service.cli.sources.source import ReadDocument, Refused
from service.errors import InvalidInput

VECTORS = np.arange(1, 13, dtype=np.float32).reshape(4, 3)


def read(path: Path, beside: BesideVectors | None = None) -> list[ReadDocument | Refused]:
    with open_source(path, beside) as source:
        found = list(source)
        assert source.total == source.position == len(found)
        assert source.damage is None
    return found


def documents(path: Path, **beside: Path) -> list[dict[str, Any]]:
    found = read(path, BesideVectors(**beside))
    assert all(isinstance(document, ReadDocument) for document in found), found
    return [
        json.loads(document.body) | {"vector": document.content}
        for document in found
        if isinstance(document, ReadDocument)
    ]


def vectors(path: Path, entries: str = "<f4") -> NDArray[Any]:
    return np.stack([np.frombuffer(document["vector"], entries) for document in documents(path)])


def saved(path: Path, array: NDArray[Any]) -> Path:
    np.save(path, array)
    return path


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines))
    return path


@given(
    arrays.arrays(
        st.sampled_from(["<f4", ">f4", "<f8", ">f8", "<f2", ">f2", "i1", "<i4", ">i2", "u1", "<u8"]),
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements={"min_value": 1, "max_value": 100},
    ),
    st.booleans(),
    st.sampled_from(["npy", "npz", "compressed"]),
)
def test_rows_come_as_they_are_whatever_the_form_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, array: NDArray[Any], fortran: bool, form: str
) -> None:
    folder = tmp_path_factory.mktemp("vectors")
    path = folder / f"v.{form}"
    if form == "npy":
        np.save(path, np.asfortranarray(array) if fortran else array)
    else:
        path = folder / "v.npz"
        (np.savez if form == "npz" else np.savez_compressed)(path, something=array)
    entries = "<f2" if array.dtype.itemsize == 2 and array.dtype.kind == "f" else "<f4"
    assert vectors(path, entries).tolist() == array.astype(entries).tolist()


def test_large_files_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.cli.sources.arrays._PIECE_BYTES", 100)
    array = np.random.default_rng(0).standard_normal((57, 6)).astype(np.float32)
    np.savez(tmp_path / "v.npz", vectors=array)
    assert vectors(tmp_path / "v.npz").tolist() == array.tolist()
    assert vectors(saved(tmp_path / "v.npy", array)).tolist() == array.tolist()


def test_ids_texts_and_metadata_go_with_the_rows(tmp_path: Path) -> None:
    path = saved(tmp_path / "v.npy", VECTORS)
    ids = written(tmp_path / "ids.txt", "a", "b c", "ü", "4")
    metadata = written(tmp_path / "meta.jsonl", '{"n": 1}', "null", "{}", '{"n": 4}')
    texts = written(tmp_path / "texts.jsonl", '"one\\nmore"', '{"text": "two", "title": "t"}', "null", '"four"')
    found = documents(path, ids=ids, metadata=metadata, texts=texts)
    assert [document["id"] for document in found] == ["a", "b c", "ü", "4"]
    assert [document.get("metadata") for document in found] == [{"n": 1}, None, {}, {"n": 4}]
    assert [document.get("text") for document in found] == ["one\nmore", "two", None, "four"]
    assert found[1]["title"] == "t"
    plain = documents(path, texts=written(tmp_path / "texts.txt", '"one"', "two", "three", "four"))
    assert [document["text"] for document in plain] == ['"one"', "two", "three", "four"]
    assert [document["id"] for document in plain] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("values", [np.array(["a", "bc", "d", "e"]), np.array([7, 8, 9, 10])])
def test_ids_may_be_an_array(tmp_path: Path, values: NDArray[Any]) -> None:
    path = saved(tmp_path / "v.npy", VECTORS)
    expected = [str(value) for value in values]
    assert [d["id"] for d in documents(path, ids=saved(tmp_path / "ids.npy", values))] == expected
    np.savez(tmp_path / "v.npz", vectors=VECTORS, ids=values, other=VECTORS)
    assert [d["id"] for d in documents(tmp_path / "v.npz")] == expected


def test_what_was_found_is_said(tmp_path: Path) -> None:
    path = saved(tmp_path / "v.npy", VECTORS.astype(np.float64))
    with open_source(path) as source:
        assert (source.needs.kind, source.needs.dims) == ("embedding", 3)
        assert source.needs.found == (
            "4 vectors of 3 numbers (float64, sent as float32): kind embedding; their ids are 0 to 3"
        )


def test_a_row_that_cannot_be_sent_is_named_and_all_others_are_read(tmp_path: Path) -> None:
    array = np.ones((6, 3))
    array[1, 2], array[2, 0], array[3] = np.nan, 1e300, 0
    metadata = written(tmp_path / "meta.jsonl", "{}", "{}", "{}", "{}", '{"a": NaN}', "{}")
    path = saved(tmp_path / "v.npy", array)
    found = read(path, BesideVectors(ids=written(tmp_path / "ids.txt", *"abcdef"), metadata=metadata))
    assert [document.id for document in found] == [*"abcdef"]
    refused = {document.line: document.reason for document in found if isinstance(document, Refused)}
    assert refused.keys() == {1, 2, 3, 4}
    assert refused[1] == "vector must have finite numbers of float32, entry 2 is nan"
    assert refused[2] == "vector must have finite numbers of float32, entry 0 is inf"
    assert refused[3] == "vector must not be zero: it has no direction"
    assert "metadata: line 5 of" in refused[4]


def truncated(path: Path) -> None:
    np.save(path, VECTORS)
    path.write_bytes(path.read_bytes()[:-1])


def objects(path: Path) -> None:
    np.save(path, np.array([["a", None]], dtype=object), allow_pickle=True)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(VECTORS))


def head_only(path: Path) -> None:
    path.write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': 'x'}  ")


BAD = [
    (truncated, "is cut short: it must hold 48 bytes of entries, got 47"),
    (objects, "holds Python objects, which are not read"),
    (pickled, "is not a .npy file that can be read"),
    (head_only, "is not a .npy file that can be read"),
    (lambda path: path.write_bytes(b""), "is not a .npy file that can be read"),
    (lambda path: path.write_bytes(b"\x93NUMPY\x03\x00"), r"must be a .npy file of version 1.0 or 2.0, got 3.0"),
    (lambda path: np.save(path, VECTORS[0]), r"must be an array of 2 dimensions.*its shape is \(3,\)"),
    (lambda path: np.save(path, VECTORS[None]), "must be an array of 2 dimensions"),
    (lambda path: np.save(path, VECTORS[:, :0]), "must hold vectors of 1 or more numbers"),
    (lambda path: np.save(path, VECTORS > 2), "must hold real numbers, its type is bool"),
    (lambda path: np.save(path, VECTORS * 1j), "must hold real numbers, its type is complex64"),
    (lambda path: np.save(path, np.array([["a"]])), "must hold real numbers, its type is <U1"),
]


@pytest.mark.parametrize(("write", "reason"), BAD)
def test_a_bad_file_is_refused_before_anything_is_sent(tmp_path: Path, write: Any, reason: str) -> None:
    path = tmp_path / "v.npy"
    write(path)
    with pytest.raises(InvalidInput, match=reason):
        open_source(path)


def test_a_bad_archive_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    for arrays_, reason in (
        ({"a": VECTORS, "b": VECTORS}, "must have an array named vectors, or one of two dimensions, it has: a, b"),
        ({"ids": np.array(["a"])}, "it has: ids"),
        ({"vectors": VECTORS, "ids": np.array(["a"])}, "ids in .* must be 4, as the vectors, got 1"),
        ({"vectors": VECTORS, "ids": VECTORS[:, 0]}, "must hold texts or integers, its type is float32"),
        ({"vectors": np.asfortranarray(VECTORS)}, "must be in C order"),
        ({"vectors": VECTORS.astype(object)}, "holds Python objects"),
    ):
        np.savez(path, **arrays_)
        with pytest.raises(InvalidInput, match=reason):
            open_source(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InvalidInput, match=r"is not a .npz file that can be read"):
        open_source(path)


def test_a_damaged_archive_is_read_up_to_its_damage(tmp_path: Path) -> None:
    array = io.BytesIO()
    np.save(array, VECTORS)
    path = tmp_path / "v.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vectors.npy", array.getvalue()[:-13])
    with open_source(path) as source:
        assert list(source) == []
        assert source.damage is not None
        assert "is damaged after 0 vectors: it is cut short in row 2" in source.damage


@pytest.mark.parametrize("name", ["ids", "metadata", "texts"])
@pytest.mark.parametrize("n", [0, 3, 5])
def test_another_number_of_lines_than_rows_is_refused(tmp_path: Path, name: str, n: int) -> None:
    beside = BesideVectors(**{name: written(tmp_path / "lines", *(["{}"] * n))})
    with pytest.raises(InvalidInput, match=f"lines must hold {name} of 4 vectors, one a line, got {n}"):
        open_source(saved(tmp_path / "v.npy", VECTORS), beside)


def test_options_for_vectors_are_refused_for_other_sources(tmp_path: Path) -> None:
    lines = written(tmp_path / "a.jsonl", "{}")
    with pytest.raises(InvalidInput, match=r"--ids is for files of vectors, .npy or .npz, got .*a.jsonl"):
        open_source(lines, BesideVectors(ids=lines))
    with pytest.raises(InvalidInput, match="--label is for folders of pictures"):
        open_source(lines, label="kind")
