"""`nearbit quality` and `nearbit preview`: how good codes are, and what would change with others."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

import nearbit
from service.cli.options import DEFAULT_URL, AdminKey, AsJson, CollectionOption, ReadKey, Url, connected
from service.safe_text import cell, safe_json, say

_FIGURES = {
    "recall": "of the 10 true nearest",
    "topic": "of the same topic",
    "both": "mean of both",
    "label": "of the same label",
    "pairs": "right side of pairs",
}
_SHARES = {
    "without_features": "asking documents without a known word",
    "share_of_shared_codes": "documents that share their code",
    "bit_correlation": "correlation between bits",
}
_SHOWN_IDS = 3


def quality(
    collection: CollectionOption,
    version: Annotated[int | None, typer.Option(min=1, help="The code space. Default: the active one.")] = None,
    label: Annotated[str | None, typer.Option(help="A field of the metadata: the same value is relevant.")] = None,
    judge: Annotated[bool, typer.Option("--judge", help="Judge it now; a trainer takes a while.")] = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: AdminKey = None,
) -> None:
    """Print how good the codes of a collection are, as they were judged last."""
    with connected(url, key) as client:
        notes = client.collection(collection)
        found = notes.judge(version, label, progress=True) if judge else notes.quality(version, label)
    if as_json:
        typer.echo(safe_json(found.model_dump(mode="json")))
        return
    out = Console()
    out.print(quality_table(found))
    for advice in found.report.get("advice", ()):
        say(out, f"{advice['finding']}: {advice['remedy']}", style="yellow")


def preview(
    version: Annotated[int, typer.Argument(min=1, help="A code space that is not active.")],
    collection: CollectionOption,
    n: Annotated[int, typer.Option("--n", "-n", min=1, max=200, help="Number of documents to ask for.")] = 100,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: ReadKey = None,
) -> None:
    """Print how answers would change if that code space became the active one."""
    with connected(url, key) as client:
        found = client.collection(collection).preview(version, n)
    if as_json:
        typer.echo(safe_json(found.model_dump(mode="json")))
        return
    out = Console()
    for name, overlap in (("documents", found.documents), ("queries", found.queries)):
        if overlap is None:
            continue
        say(out, f"{overlap.n} {name}, {overlap.overlap:.0%} of their {found.k} nearest stay", style="bold")
        if overlap.worst:
            out.print(overlap_table(overlap))


def quality_table(quality: nearbit.Quality) -> Table:
    """The figures of a report as a table: each with its interval, and those of other codes on the same questions."""
    report = quality.report
    others = [name for name in ("untrained", "active") if name in report.get("recall", {})]
    n_asked, n_searched = (report.get(name, 0) for name in ("n_queries", "n_database"))
    title = f"space {quality.version}: {n_asked:,} documents asked, {n_searched:,} searched"
    table = Table("share", "found", "95 %", *others, title=cell(title, "bold"), title_justify="left")
    for name, figure in report.get("found", {}).items():
        beside = [_share(report.get(name, {}).get(other)) for other in others]
        interval = f"{figure['low']:.3f}..{figure['high']:.3f}"
        table.add_row(cell(_FIGURES.get(name, name)), _share(figure["mean"]), interval, *beside)
    table.add_section()
    for name, shown in _SHARES.items():
        table.add_row(shown, _share(report.get(name)))
    table.add_row("dead bits", str(len(report.get("dead_bits", ()))))
    return table


def overlap_table(overlap: nearbit.Overlap) -> Table:
    """The documents or queries of which most would change: how many of the nearest stay, which leave and come."""
    table = Table("stay", "asked", "leave", "come")
    for changed in overlap.worst:
        table.add_row(str(changed.overlap), cell(changed.asked), _ids(changed.leave), _ids(changed.come))
    return table


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _ids(ids: list[str]) -> Text:
    more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
    return cell(f"{', '.join(ids[:_SHOWN_IDS])}{more}")
