"""The gate: a new space must not be worse than the active one at what the collection, or its training, is for."""

from __future__ import annotations

from service.errors import InvalidInput, WorseThanActive
from service.store.upkeep import label_of
from training.evaluate import Report
from training.judging import LEAST, Questions

_BY_AIM = {"topics": "topic", "both": "both", "nearest": "recall"}
"""The figure of a report that is looked at, by the aim of the training."""
_BY_JUDGE = {"neighbors": "recall", "topics": "topic", "both": "both", "pairs": "pairs"}
"""The same by the setting `judge`."""
_WHAT = {
    "recall": "of the 10 true nearest",
    "topic": "of the documents of the same topic",
    "both": "of the true nearest and of the documents of the same topic, on average,",
    "label": "of documents with the same label",
    "pairs": "of the documents on the right side of named pairs",
}


def figure_of(judge: str, aim: str) -> str:
    """The figure of a report that decides: recall, topic, both, label or pairs.

    Args:
        judge: setting of the collection or the retrain.
        aim: of the training, which decides where the judge is `aim`.
    """
    if label_of(judge) is not None:
        return "label"
    return _BY_AIM[aim] if judge == "aim" else _BY_JUDGE[judge]


def check_can_judge(judge: str, questions: Questions) -> None:
    """Check, before a training, that what people said is enough to judge its codes by.

    Raises:
        InvalidInput: it is not.
    """
    field = label_of(judge)
    n_asked = questions.n_asked["label" if field is not None else "pairs"]
    if (field is None and judge != "pairs") or n_asked >= LEAST:
        return
    what = (
        f"held-out documents with a value of {field!r} that others have too"
        if field is not None
        else ("pairs of which one document is held out (every tenth is) or validates (every twentieth)")
    )
    raise InvalidInput(f"judge {judge!r} needs at least {LEAST} {what}, got {n_asked}; name another judge, or force")


def check_not_worse(report: Report, active_version: int, figure: str) -> None:
    """Check that a new space finds no less by a figure than the active one, as far as the questions can tell.

    Raises:
        WorseThanActive: nearly all bootstrap samples of the questions say that it finds less.
    """
    gain = report.gain["active"][figure]
    if gain.high >= 0:
        return
    new = report.found[figure].mean
    n_asked = report.n_asked.get(figure, report.n_queries)
    raise WorseThanActive(
        f"the new codes find {new:.3f} {_WHAT[figure]} ({n_asked:,} questions, {report.shortlist} nearest), "
        f"those of the active version {active_version} find {new - gain.mean:.3f} "
        f"(95 % of bootstrap samples: {gain.low:+.3f} to {gain.high:+.3f}); retrain with other options "
        "(docs/models.md) or on more documents, judge by something else, or force to promote all the same"
    )
