"""Folders of pictures: each picture is a document, named by its path."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from service.cli.sources.lines import Lines
from service.cli.sources.opening import open_source
from service.cli.sources.source import ReadDocument, Refused
from service.errors import InvalidInput


def filled(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_pictures_of_all_folders_come_in_order_with_their_paths_as_ids(tmp_path: Path) -> None:
    folder = filled(tmp_path, "b/x.png", "a/1.JPG", "a/2.jpeg", "top.png", ".hidden/x.png", ".x.png", "a/notes.txt")
    with open_source(folder, label="kind") as source:
        assert (source.needs.kind, source.total, source.unit) == ("image", 4, "picture")
        assert source.needs.found == "4 pictures: kind image; 1 other files are left out"
        found = [document for document in source if isinstance(document, ReadDocument)]
        assert source.position == 4
    documents = [json.loads(document.body) for document in found]
    assert [document["id"] for document in documents] == ["top.png", "a/1.JPG", "a/2.jpeg", "b/x.png"]
    assert [document["metadata"] for document in documents] == [{"kind": name} for name in ("", "a", "a", "b")]
    assert [document.content for document in found] == [b"top.png", b"a/1.JPG", b"a/2.jpeg", b"b/x.png"]


def test_a_picture_that_cannot_be_read_is_named_and_all_others_are_read(tmp_path: Path) -> None:
    folder = filled(tmp_path, "a.png", "c.png")
    (folder / "b.png").symlink_to("nowhere")
    with open_source(folder) as source:
        found = list(source)
    assert [document.id for document in found] == ["a.png", "b.png", "c.png"]
    assert isinstance(found[1], Refused)
    assert "cannot be read: " in found[1].reason


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"must hold pictures, files named .png, .jpg, .jpeg, got 1 others"):
        open_source(filled(tmp_path, "a.txt"))


def test_lines_may_name_pictures_in_their_own_folder_only(tmp_path: Path) -> None:
    folder = filled(tmp_path / "in", "a.png")
    filled(tmp_path, "out.png")
    (folder / "link.png").symlink_to(tmp_path / "out.png")
    paths = ["a.png", "../out.png", str(tmp_path / "out.png"), "link.png", "none.png", "", 3, "\0"]
    lines = folder / "pictures.jsonl"
    lines.write_text("\n".join(json.dumps({"id": str(n), "image_path": path}) for n, path in enumerate(paths)))
    with Lines(lines) as source:
        assert source.needs.kind == "image"
        first, *others = source
    assert isinstance(first, ReadDocument)
    assert json.loads(first.body) == {"id": "0", "image": base64.b64encode(b"a.png").decode()}
    reasons = [other.reason for other in others if isinstance(other, Refused)]
    assert ["must name a file in the folder" in reason for reason in reasons] == [True] * 3 + [False] * 2 + [True] * 2


@pytest.mark.parametrize(
    ("line", "kind", "dims"),
    [
        ('{"text": "a"}', "text", None),
        ('{"vector": [1, 2, 3]}', "embedding", 3),
        ('{"vector": "AAAA", "text": "a"}', "embedding", None),
        ('{"image": "AAAA"}', "image", None),
        ("{", None, None),
    ],
)
def test_the_first_line_says_what_the_lines_hold(tmp_path: Path, line: str, kind: str | None, dims: int | None) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(f"\n{line}\n{line}\n")
    with Lines(file) as source:
        assert (source.needs.kind, source.needs.dims) == (kind, dims)
        assert [number for number, _ in source.numbered()] == [2, 3]
