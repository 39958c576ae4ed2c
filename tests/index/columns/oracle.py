"""What columns must answer, by going through all documents one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from service.errors import InvalidInput
from service.index.columns.filters import And, Contains, Exists, Filter, Not, OneOf, Or, Prefix, Range

Document = dict[str, Any]


def leaves(value: Any, path: tuple[str, ...] = (), is_item: bool = False) -> Iterable[tuple[str, Any, bool]]:
    """Name, value and whether a list was gone through, of each value of a document."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from leaves(member, (*path, name), is_item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path, True)
    elif value is not None:
        yield ".".join(path), value, is_item


def values(document: Document, name: str) -> list[Any]:
    return [value for found, value, _ in leaves(document) if found == name]


def has_list(document: Document, name: str) -> bool:
    """Several members of one name, as {"a.b": 1, "a": {"b": 2}} has, are as a list."""
    found = [is_item for other, _, is_item in leaves(document) if other == name]
    return any(found) or len(found) > 1


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def rank(value: Any) -> tuple[int, Any]:
    """Numbers before texts before booleans."""
    if isinstance(value, bool):
        return 2, value
    return (1, value) if isinstance(value, str) else (0, Fraction(value))


def date(text: Any) -> datetime | None:
    if not isinstance(text, str) or len(text) < 10 or text[4:5] != "-":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def lies_between(value: Any, asked: Range) -> bool:
    bounds = [("gt", asked.gt), ("gte", asked.gte), ("lt", asked.lt), ("lte", asked.lte)]
    given = [(name, bound) for name, bound in bounds if bound is not None]
    compared = value
    if is_number(given[0][1]):
        if not is_number(value):
            return False
        compared, given = Fraction(value), [(name, Fraction(bound)) for name, bound in given]
    elif not isinstance(value, str):
        return False
    elif all(date(bound) for _, bound in given):
        compared, given = date(value), [(name, date(bound)) for name, bound in given]
        if compared is None:
            return False
    holds = {"gt": lambda b: compared > b, "gte": lambda b: compared >= b, "lt": lambda b: compared < b}
    return all(holds.get(name, lambda b: compared <= b)(bound) for name, bound in given)


def passes(document: Document, filter: Filter) -> bool:
    match filter:
        case And():
            return all(passes(document, part) for part in filter.parts)
        case Or():
            return any(passes(document, part) for part in filter.parts)
        case Not():
            return not passes(document, filter.part)
        case Exists():
            return any(name == filter.name or name.startswith(f"{filter.name}.") for name, _, _ in leaves(document))
    found = values(document, filter.name)
    match filter:
        case OneOf():
            return bool({rank(value) for value in found} & {rank(value) for value in filter.values})
        case Prefix():
            return any(isinstance(value, str) and value.startswith(filter.value) for value in found)
        case Range():
            return any(lies_between(value, filter) for value in found)
        case Contains():
            if has_list(document, filter.name):
                return rank(filter.value) in [rank(value) for value in found]
            return any(isinstance(one, str) and isinstance(filter.value, str) and filter.value in one for one in found)
    raise AssertionError(filter)


def suits(documents: Iterable[Document], filter: Filter) -> bool:
    """Whether every condition asks for a type that some value of its field has, where the field has values."""
    match filter:
        case And() | Or():
            return all(suits(documents, part) for part in filter.parts)
        case Not():
            return suits(documents, filter.part)
        case Exists():
            return True
    found = [(rank(value)[0], has_list(d, filter.name)) for d in documents for value in values(d, filter.name)]
    match filter:
        case OneOf():
            wanted = {(rank(value)[0], is_item) for value in filter.values for is_item in (True, False)}
            if not wanted:
                return True
        case Prefix():
            wanted = {(1, True), (1, False)}
        case Range():
            bound = next(one for one in (filter.gt, filter.gte, filter.lt, filter.lte) if one is not None)
            wanted = {(rank(bound)[0], is_item) for is_item in (True, False)}
        case Contains():
            wanted = {(rank(filter.value)[0], True)} | ({(1, False)} if isinstance(filter.value, str) else set())
    return not found or bool(wanted & set(found))


def mask(documents: dict[int, Document], filter: Filter) -> list[int]:
    if not suits(documents.values(), filter):
        raise InvalidInput("a wrong type")
    return sorted(key for key, document in documents.items() if passes(document, filter))


def count(documents: dict[int, Document], name: str) -> tuple[list[tuple[Any, int]], int]:
    """All values with their documents, and how many documents have none."""
    counts: Counter[tuple[int, Any]] = Counter()
    n_missing = 0
    for document in documents.values():
        found = {rank(value) for value in values(document, name)}
        counts.update(found)
        n_missing += not found
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return [(value, n) for (_, value), n in ordered], n_missing


def first(document: Document, name: str, descending: bool) -> tuple[int, Any] | None:
    """What a document is ordered by."""
    found = [rank(value) for value in values(document, name)]
    best = [one for one in found if one[0] == min(found)[0]]
    return (max(best) if descending else min(best)) if best else None


def ordered(documents: dict[int, Document], keys: list[int], name: str, descending: bool) -> list[int]:
    """The keys in order."""
    groups: dict[int, list[tuple[Any, int]]] = {}
    for key in keys:
        found = first(documents.get(key, {}), name, descending)
        kind, value = (3, 0) if found is None else found
        groups.setdefault(kind, []).append((value, key))
    answer = []
    for kind in sorted(groups):
        by_key = sorted(groups[kind], key=lambda one: one[1])
        answer += [key for _, key in sorted(by_key, key=lambda one: one[0], reverse=descending and kind < 3)]
    return answer
