"""Layout: a base as one array of words, which is its snapshot when written to a file.

    header: bytes of the directory | directory, as JSON | arrays, each from a cache line on

The directory has, of each array, its type, its length and the word at which it begins, and of each column the numbers
of its arrays.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.index.columns.base import Base
from service.index.columns.column import Column
from service.index.columns.rare import RareFields
from service.index.columns.row_keys import RowKeys
from service.index.columns.texts import Texts
from service.index.columns.values import Kind

FORMAT = 2
_LINE = 8
"""Words of a cache line."""

Words = NDArray[np.uint64]


def to_words(base: Base) -> Words:
    """A base as one array. Cost: a copy of it."""
    arrays: list[NDArray[Any]] = []
    columns = [
        (name, *kind, [_numbered(array, arrays) for array in _arrays_of(column)])
        for name, found in base.fields.items()
        for kind, column in found.items()
    ]
    keys, alive = _numbered(base.row_keys.keys, arrays), _numbered(base.alive, arrays)
    rare = [_numbered(array, arrays) for array in _arrays_of_rare(base.rare)]
    places, at = [], 0
    for array in arrays:
        places.append((array.dtype.str, len(array), at))
        at += _n_words(array.nbytes)
    rows = (base.row_keys.first_key, base.row_keys.n_rows, keys, alive)
    directory = json.dumps({"rows": rows, "arrays": places, "columns": columns, "rare": rare}).encode()
    begin = _LINE + _n_words(len(directory))
    words = np.zeros(begin + at, np.uint64)
    words[0] = len(directory)
    content = words.view(np.uint8)
    content[8 * _LINE : 8 * _LINE + len(directory)] = np.frombuffer(directory, np.uint8)
    for array, (_, _, place) in zip(arrays, places, strict=True):
        start = 8 * (begin + place)
        content[start : start + array.nbytes] = np.ascontiguousarray(array).view(np.uint8)
    return words


def of_words(words: Words) -> Base:
    """The base that an array holds, whose columns are views into it."""
    n_bytes, content = int(words[0]), words.view(np.uint8)
    directory = json.loads(content[8 * _LINE : 8 * _LINE + n_bytes].tobytes())
    begin = _LINE + _n_words(n_bytes)

    def array(number: int | None) -> Any:
        if number is None:
            return None
        dtype, n, at = directory["arrays"][number]
        start = 8 * (begin + at)
        return content[start : start + n * np.dtype(dtype).itemsize].view(dtype)

    first_key, n_rows, keys, alive = directory["rows"]
    fields: dict[str, dict[Kind, Column]] = {}
    for name, type, is_item, numbers in directory["columns"]:
        rows, present, values, starts, data, instants = map(array, numbers)
        texts = None if starts is None else Texts(starts, data, instants)
        fields.setdefault(name, {})[type, is_item] = Column(n_rows, rows, present, values, texts)
    return Base(RowKeys(first_key, n_rows, array(keys)), array(alive), fields, _rare(*map(array, directory["rare"])))


def _arrays_of(column: Column) -> list[NDArray[Any] | None]:
    return [column.rows, column.present, column.values, *_arrays_of_texts(column.texts)]


def _arrays_of_rare(rare: RareFields) -> list[NDArray[Any] | None]:
    arrays = [rare.starts, rare.kinds, rare.rows, rare.values]
    return [*arrays, *_arrays_of_texts(rare.names), *_arrays_of_texts(rare.texts)]


def _rare(starts: Any, kinds: Any, rows: Any, values: Any, *texts: Any) -> RareFields:
    return RareFields(Texts(*texts[:3]), starts, kinds, rows, values, Texts(*texts[3:]))


def _arrays_of_texts(texts: object) -> list[NDArray[Any] | None]:
    return [texts.starts, texts.data, texts.instants] if isinstance(texts, Texts) else [None] * 3


def _numbered(array: NDArray[Any] | None, arrays: list[NDArray[Any]]) -> int | None:
    """The number of an array among those to write, to which it is added."""
    if array is None:
        return None
    arrays.append(array)
    return len(arrays) - 1


def _n_words(n_bytes: int) -> int:
    """Words of whole cache lines."""
    return -(-n_bytes // (8 * _LINE)) * _LINE
