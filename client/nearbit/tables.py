"""Results that show themselves as a table in notebooks, and as a data frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, TypeVar

from pydantic import BaseModel

from nearbit.errors import NotInstalled

_LONGEST_CELL = 200
_MOST_ROWS = 100

T = TypeVar("T", bound=BaseModel)


class Rows(list[T]):
    """A list of models that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return table_html([row_of(model) for model in self])

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with a row for each model and a column for each member.

        Raises:
            NotInstalled: pandas is not there.
        """
        return to_pandas([row_of(model) for model in self])


def row_of(model: BaseModel) -> dict[str, Any]:
    """The members of a model that the service sent."""
    return {name: value for name, value in model.model_dump().items() if name in _sent(model)}


def _sent(model: BaseModel) -> set[str]:
    return model.model_fields_set | set(model.model_extra or ())


def to_pandas(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows as a `pandas.DataFrame`.

    Raises:
        NotInstalled: pandas is not there.
    """
    try:
        from pandas import DataFrame
    except ImportError:
        raise NotInstalled("to_pandas() needs pandas: pip install 'nearbit-client[pandas]'") from None
    return DataFrame(list(rows))


def table_html(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as an HTML table, every cell escaped and cut after 200 characters, at most 100 rows."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    head = _line("th", columns)
    body = "".join(_line("td", [_cell(row.get(name)) for name in columns]) for row in rows[:_MOST_ROWS])
    rest = f"<p>and {len(rows) - _MOST_ROWS} more</p>" if len(rows) > _MOST_ROWS else ""
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>{rest}"


def _line(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"
