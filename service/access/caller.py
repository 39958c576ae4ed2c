"""A caller: what its key allows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from service.access.allowance import Allowance
from service.errors import CollectionForbidden, Forbidden
from service.store.keys import SCOPES, Key, KeyScope


@dataclass(slots=True, eq=False)
class Caller:
    """Who sent a request, as far as its key tells.

    Attributes:
        name: of the key, or of the setting that holds it; None without a key.
        scopes: all that it allows.
        key_id: None for a key of the settings, and without a key.
        collections: names of those that it is limited to; None: all.
        expires_at: seconds since 1970 from which on it is refused.
        allowance: what it may ask for; None: any amount.
        is_guessable: people chose the key, so that it may be short.
        is_used: a request came with it since this was last set to False.
    """

    name: str | None
    scopes: frozenset[KeyScope]
    key_id: int | None = None
    collections: frozenset[str] | None = None
    expires_at: float = math.inf
    allowance: Allowance | None = None
    is_guessable: bool = False
    is_used: bool = False

    @classmethod
    def of(cls, key: Key, allowance: Allowance | None) -> Caller:
        """The caller with a key that was made."""
        return cls(
            key.name,
            allowed_by(key.scopes),
            key.id,
            None if key.collections is None else frozenset(key.collections),
            math.inf if key.expires_at is None else key.expires_at.timestamp(),
            allowance,
        )

    def check_scope(self, needed: KeyScope) -> None:
        """Refuse a call that the key does not allow.

        Raises:
            Forbidden: the scope is not among those that it allows.
        """
        if needed not in self.scopes:
            raise Forbidden(needed, [scope for scope in SCOPES if scope in self.scopes])

    def check_collection(self, name: str | None) -> None:
        """Refuse a call about a collection, or about all if the name is None.

        Raises:
            CollectionForbidden: the key is for others only.
        """
        if self.collections is not None and name not in self.collections:
            raise CollectionForbidden(sorted(self.collections))

    def sees(self, collection: str) -> bool:
        """Whether the key is for that collection, among others or alone."""
        return self.collections is None or collection in self.collections


def allowed_by(scopes: Iterable[KeyScope]) -> frozenset[KeyScope]:
    """All that scopes allow: who may write may read, and an administrator may do both."""
    widest = max((SCOPES.index(scope) for scope in scopes), default=-1)
    return frozenset(SCOPES[: widest + 1])


ANYONE = Caller(None, frozenset(SCOPES))
"""The caller of a service without keys, which listens to its own machine only."""
NOBODY = Caller(None, frozenset())
"""The caller without a valid key, where keys are needed."""
