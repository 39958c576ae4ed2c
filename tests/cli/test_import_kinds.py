"""Vectors and pictures are imported with a real app: good ones are stored, and bad ones named."""

from __future__ import annotations

import base64
import io
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from service.cli.client import Client
from service.cli.importing import Counts, Import
from service.cli.output import ImportOptions, import_documents
from service.cli.sources.beside import BesideVectors
from service.cli.sources.source import ReadDocument
from service.cli.sources.vectors import VectorFile
from service.errors import Conflict, InvalidInput, NearbitError
from tests.cli.test_importing import Through, app
from tests.hashing.pictures import png

VECTORS = np.random.default_rng(0).standard_normal((2_500, 6)).astype(np.float16)


def run(through: Through, path: Path, errors: Path | None = None, **options: Any) -> tuple[Counts, str]:
    out = io.StringIO()
    console = Console(file=out, width=200)
    client = Client("http://localhost", transport=through)
    with ExitStack() as stack:
        file = stack.enter_context(errors.open("w")) if errors else None
        counts = import_documents(client, path, "things", console, ImportOptions(**options), file)
    return counts, out.getvalue()


def stored(through: Through) -> dict[str, dict[str, Any]]:
    lines = Client("http://localhost", transport=through).export("things")
    return {document["id"]: document for document in map(json.loads, lines)}


def vector(document: dict[str, Any]) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(document["vector"]), "<f4")


def test_a_file_of_vectors_is_stored_with_what_goes_with_it(url: str, tmp_path: Path) -> None:
    bad = VECTORS.copy()
    bad[7], bad[1_900, 3] = 0, np.inf
    np.save(tmp_path / "v.npy", bad)
    (tmp_path / "ids.txt").write_text("\n".join(f"doc {i}" for i in range(2_500)))
    (tmp_path / "meta.jsonl").write_text("\n".join(json.dumps({"n": i}) for i in range(2_500)))
    beside = BesideVectors(tmp_path / "ids.txt", tmp_path / "meta.jsonl")
    errors = tmp_path / "errors.jsonl"
    with app(url) as through:
        counts, said = run(through, tmp_path / "v.npy", beside=beside, n_bits=32, errors=errors)
        assert counts == Counts(read=2_500, new=2_498, refused=2)
        assert "v.npy: 2,500 vectors of 6 numbers (float16): kind embedding" in said
        assert "row 7, id doc 7: vector must not be zero: it has no direction" in said
        assert "row 1900, id doc 1900: vector must have finite numbers of float32, entry 3 is inf" in said
        assert [json.loads(line)["id"] for line in errors.read_text().splitlines()] == ["doc 7", "doc 1900"]
        found = stored(through)
        assert len(found) == 2_498
        for n in (0, 6, 8, 2_499):
            assert vector(found[f"doc {n}"]).tolist() == VECTORS[n].tolist()
            assert found[f"doc {n}"]["metadata"] == {"n": n}
        counts, _ = run(through, tmp_path / "v.npy", beside=beside)
        assert counts == Counts(read=2_500, replaced=2_498, refused=2)


def test_a_row_that_the_service_refuses_is_named_and_all_others_are_stored(sqlite_url: str, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", VECTORS[:40])
    ids = [f"v{i}" for i in range(40)]
    ids[11], ids[30], ids[31] = "", "a/similar", "v29"
    (tmp_path / "ids.txt").write_text("\n".join(ids) + "\n")
    with app(sqlite_url, max_batch=16) as through:
        counts, said = run(through, tmp_path / "v.npy", beside=BesideVectors(ids=tmp_path / "ids.txt"))
        assert counts == Counts(read=40, new=37, doubles=1, refused=2)
        assert "row 11: id: " in said
        assert "row 30, id a/similar: id: " in said
        found = stored(through)
        assert found.keys() == {*ids} - {"", "a/similar"}
        for row, id in enumerate(ids):
            if id in found and row != 29:  # of two rows with one id, the last
                assert vector(found[id]).tolist() == VECTORS[row].tolist()


def test_pictures_of_a_folder_are_stored_as_they_are(url: str, tmp_path: Path) -> None:
    pictures = {f"{kind}/{n}.png": png(8 + n, 9) for kind in ("a", "b") for n in range(3)}
    for name, data in pictures.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "a" / "bad.png").write_bytes(b"not a picture")
    with app(url) as through:
        counts, said = run(through, tmp_path, label="kind")
        assert counts == Counts(read=7, new=6, refused=1)
        assert "7 pictures: kind image" in said
        assert "picture 4, id a/bad.png: " in said
        found = stored(through)
        assert {id: base64.b64decode(document["image"]) for id, document in found.items()} == pictures
        assert {document["metadata"]["kind"] for document in found.values()} == {"a", "b"}


def test_exported_lines_of_vectors_are_imported_as_they_were(sqlite_url: str, tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text("\n".join(json.dumps({"id": str(i), "vector": v.tolist()}) for i, v in enumerate(VECTORS[:5])))
    with app(sqlite_url) as through:
        counts, said = run(through, lines)
        assert counts == Counts(read=5, new=5)
        assert "its first line has a vector of 6 numbers: kind embedding" in said
        exported = stored(through)
        again = tmp_path / "again.jsonl"
        kept = [{name: one[name] for name in ("id", "vector", "metadata")} for one in exported.values()]
        again.write_text("\n".join(map(json.dumps, kept)))
        counts, _ = run(through, again)
        assert counts == Counts(read=5, replaced=5)
        assert {id: one["vector"] for id, one in stored(through).items()} == {
            id: one["vector"] for id, one in exported.items()
        }


def test_vectors_of_another_model_are_put_to_the_documents_there_are(url: str, tmp_path: Path) -> None:
    np.save(tmp_path / "v1.npy", VECTORS[:300])
    second = np.random.default_rng(1).standard_normal((301, 4)).astype(np.float32)
    second[7] = 0
    np.save(tmp_path / "v2.npy", second)
    (tmp_path / "ids.txt").write_text("\n".join([*map(str, range(299)), "nobody", "5"]))
    beside = BesideVectors(ids=tmp_path / "ids.txt")
    with app(url, max_batch=100) as through:
        run(through, tmp_path / "v1.npy")
        counts, said = run(through, tmp_path / "v2.npy", beside=beside, model="v2")
        assert counts == Counts(read=301, new=298, doubles=1, refused=2)
        assert "298 documents of 'things' have vectors of v2 (298 had others or none)" in said
        assert "row 299, id nobody: no document has this id" in said
        assert "row 7, id 7: vector must not be zero" in said
        found = stored(through)
        for row, id in ((0, "0"), (6, "6"), (298, "298"), (300, "5")):
            kept = np.frombuffer(base64.b64decode(found[id]["vectors"]["v2"]), "<f4")
            np.testing.assert_allclose(kept, second[row], rtol=1e-3, atol=1e-3)
        assert found["7"].keys() >= {"vector"}
        counts, _ = run(through, tmp_path / "v2.npy", beside=beside, model="v2")
        assert (counts.stored, counts.new, counts.doubles, counts.refused) == (298, 0, 1, 2)


def test_lines_of_several_models_are_exported_and_imported_as_they_were(sqlite_url: str, tmp_path: Path) -> None:
    np.save(tmp_path / "v1.npy", VECTORS[:20])
    np.save(tmp_path / "v2.npy", VECTORS[:20, :4])
    (tmp_path / "ids.txt").write_text("\n".join([str(i) for i in range(10, 30)]))
    with app(sqlite_url) as through:
        client = Client("http://localhost", transport=through)
        client.create("things", kind="embedding", dims=6, model="v1")
        run(through, tmp_path / "v1.npy")
        run(through, tmp_path / "v2.npy", beside=BesideVectors(ids=tmp_path / "ids.txt"), model="v2")
        out = tmp_path / "out.jsonl"
        before = exported(client, "things", out)
        with out.open() as lines:
            assert [{*json.loads(line)} & {"vector", "vectors", "model"} for line in lines] == (
                [{"vector", "model"}] * 10 + [{"vectors"}] * 10
            )
        counts = import_documents(client, out, "copies", Console(file=io.StringIO()))
        assert counts == Counts(read=20, new=20)
        assert exported(client, "copies", tmp_path / "again.jsonl") == before
        assert client.models("copies") == ["v1", "v2"]


def exported(client: Client, collection: str, path: Path) -> bytes:
    path.write_bytes(b"".join(line + b"\n" for line in client.export(collection)))
    return path.read_bytes()


def test_what_does_not_fit_is_refused_before_anything_is_sent(sqlite_url: str, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", VECTORS[:5])
    np.save(tmp_path / "wide.npy", np.ones((5, 7)))
    (tmp_path / "lines.jsonl").write_text('{"id": "a", "vector": "AAAA"}')
    with app(sqlite_url) as through:
        with pytest.raises(InvalidInput, match="--kind is text, but the source has embedding"):
            run(through, tmp_path / "v.npy", kind="text")
        with pytest.raises(InvalidInput, match="--dims is 7, but the source has 6"):
            run(through, tmp_path / "v.npy", dims=7)
        with pytest.raises(InvalidInput, match="dims must be given for kind embedding"):
            run(through, tmp_path / "lines.jsonl")
        with pytest.raises(NearbitError, match="no collection"):
            run(through, tmp_path / "v.npy", model="v2")
        run(through, tmp_path / "v.npy")
        with pytest.raises(InvalidInput, match="--model is for files of vectors"):
            run(through, tmp_path / "lines.jsonl", model="v2")
        with pytest.raises(InvalidInput, match="--n-bits is not for vectors of a --model"):
            run(through, tmp_path / "v.npy", model="v2", n_bits=8)
        with pytest.raises(Conflict, match="exists with vectors of 6 numbers, these have 7"):
            run(through, tmp_path / "wide.npy")
        (tmp_path / "texts.jsonl").write_text('{"id": "a", "text": "b"}')
        with pytest.raises(Conflict, match="exists with kind embedding, these are of kind text"):
            run(through, tmp_path / "texts.jsonl")
        assert len(stored(through)) == 5


def test_batches_of_wide_vectors_are_bounded_in_bytes(sqlite_url: str, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((50, 4_096), np.float32))
    sizes: list[int] = []
    with app(sqlite_url) as through:
        client = Client("http://localhost", transport=through)
        client.create("things", kind="embedding", dims=4_096)
        through.after = lambda request: sizes.append(len(request.content))
        with VectorFile(tmp_path / "v.npy", BesideVectors()) as source:
            assert isinstance(next(iter(source)), ReadDocument)
            Import(client, "things", 0, source.attached, max_bytes=200_000).run(source)
        assert max(sizes) < 202_000
        assert len(stored(through)) == 50
