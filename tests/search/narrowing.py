"""The slow way to narrow, count, order and group, from the definitions: what the tests compare answers with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

Metadata = dict[str, Any]
Row = tuple[str, Metadata]
LANGUAGES, TAGS = ("en", "de", "fi"), ("red", "blue", "green")


def random_metadata(random: random.Random) -> Metadata:
    """Metadata with numbers, texts, booleans, lists, nested members, and gaps."""
    found: Metadata = {}
    if random.random() < 0.9:
        found["lang"] = random.choice(LANGUAGES)
    if random.random() < 0.8:
        found["year"] = random.choice([1999, 2005, 2005.5, 2020])
    if random.random() < 0.7:
        found["tags"] = random.sample(TAGS, random.randrange(3))
    if random.random() < 0.5:
        found["author"] = {"name": random.choice(["Ada", "Adam", "Bo"]), "living": random.random() < 0.5}
    if random.random() < 0.2:
        found["year"] = random.choice(["2005", True])
    return found


def values_of(metadata: Any, field: str) -> list[Any]:
    """The values of a field, in the order of the document."""
    names = field.split(".")
    found = [metadata]
    for name in names:
        found = [one[name] for member in found for one in _objects(member) if name in one]
    return [value for member in found for value in _scalars(member)]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _scalars(item)
    elif not isinstance(value, dict) and value is not None:
        yield value


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, true not being 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


FILTERS: list[tuple[dict[str, Any], Callable[[Metadata], bool]]] = [
    ({"lang": "en"}, lambda m: m.get("lang") == "en"),
    ({"lang": {"in": ["en", "fi"]}}, lambda m: m.get("lang") in ("en", "fi")),
    ({"year": {"gte": 2005, "lt": 2020}}, lambda m: is_number(m.get("year")) and 2005 <= m["year"] < 2020),
    ({"year": "2005"}, lambda m: m.get("year") == "2005"),
    ({"tags": {"contains": "red"}}, lambda m: "red" in m.get("tags", ())),
    ({"author.name": {"prefix": "Ad"}}, lambda m: m.get("author", {}).get("name", "").startswith("Ad")),
    ({"author": {"exists": False}}, lambda m: "author" not in m),
    ({"author.living": True}, lambda m: m.get("author", {}).get("living") is True),
    (
        {"or": [{"lang": "de"}, {"not": {"year": {"gt": 2000}}}]},
        lambda m: m.get("lang") == "de" or not (is_number(m.get("year")) and m["year"] > 2000),
    ),
    ({"nowhere": 1}, lambda m: False),
    ({"and": []}, lambda m: True),
]


def counts(rows: list[Row], field: str) -> dict[Any, int]:
    """How many documents have each value; booleans apart from numbers."""
    found: dict[Any, int] = {}
    for _, metadata in rows:
        distinct = {(isinstance(value, bool), value) for value in values_of(metadata, field)}
        for value in distinct:
            found[value] = found.get(value, 0) + 1
    return found


def sort_key(metadata: Metadata, field: str, is_descending: bool) -> tuple[Any, ...]:
    """What documents are ordered by: numbers, texts, booleans, none; of a list its first or last value."""

    def kind(value: Any) -> int:
        return 2 if isinstance(value, bool) else 0 if is_number(value) else 1

    values = values_of(metadata, field)
    if not values:
        return (3,)
    first = min(map(kind, values))
    of_kind = [value for value in values if kind(value) == first]
    value = max(of_kind) if is_descending else min(of_kind)
    return (first, _Descending(value) if is_descending else value)


class _Descending:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]
