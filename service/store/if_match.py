"""What a document must be for a change to be made: the condition that `If-Match` of HTTP carries."""

from __future__ import annotations

from dataclasses import dataclass

from service.errors import RevisionDiffers
from service.store.documents import Revisions


def tag_of(key: int, revision: int) -> str:
    """The tag of a document at a `full_revision`: a key is never given twice, also if the same id comes again."""
    return f"{key}-{revision}"


@dataclass(frozen=True, slots=True)
class IfMatch:
    """A condition on a document.

    Attributes:
        tags: one of them must be its tag, or its revision alone; None: it must exist.
    """

    tags: frozenset[str] | None

    def check(self, id: str, found: Revisions | None) -> None:
        """Refuse a document that does not meet the condition; None is one that does not exist.

        Raises:
            RevisionDiffers: it does not.
        """
        if found is None:
            raise RevisionDiffers({id: 0})
        if self.tags is not None and self.tags.isdisjoint((tag_of(found.key, found.full), str(found.full))):
            raise RevisionDiffers({id: found.full})
