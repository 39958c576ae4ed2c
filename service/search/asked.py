"""Asked: what each query of a request is, after it was read and encoded: its words and its code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.config import Settings
from service.encoding import Encoder
from service.errors import InvalidInput
from service.hashing.codes import Codes
from service.hashing.content import Content, Embedding, check_content, check_contents, from_wire, size_of
from service.hashing.encoded import Encoded
from service.hashing.given import GivenContent, contents_of
from service.index.words import Clause
from service.search import fuse
from service.search.fuse import Direction
from service.search.recommend import clauses_of_examples, direction_of_examples
from service.search.request import Example, SearchRequest
from service.search.sources import QueryCodes
from service.search.state import State
from service.search.word_query import WordQuery, plain_query, word_query
from service.store.overviews import SpaceReference
from service.threads import run_in_large_thread

_BRIEF_CHARS, _BRIEF_VECTORS = 1_000, 8
"""Characters of queries whose words, and vectors that, are read on the event loop."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One query.

    Attributes:
        content: what it says, where it is needed; None for examples, for codes, and for a stored document whose code is
            known.
        code: `(n_bytes,)`; None where it was not encoded.
        confidence: `(n_bits,)` of the bits of the code, where they order ties.
        n_known: features of its text that the hash function knows; None for stored documents and examples.
        typed: what was typed.
        words: what that is by words.
        clauses: what the index is asked.
        direction: where codes are looked for, before what the words find; None where that is not needed.
        leave_out: keys of the stored documents that ask.
    """

    content: Content | None = None
    code: Codes | None = None
    confidence: NDArray[np.uint8] | None = None
    n_known: int | None = None
    typed: str = ""
    words: WordQuery | None = None
    clauses: Sequence[Clause] = ()
    direction: Direction | None = None
    leave_out: frozenset[int] = field(default_factory=frozenset)

    @property
    def query_codes(self) -> QueryCodes:
        """Its code, as a source takes it."""
        assert self.code is not None
        return QueryCodes(self.code[None], None if self.confidence is None else self.confidence[None])

    def is_known(self, space: SpaceReference) -> bool | None:
        """Whether a document has a word of the query, or the hash function knows one; None of stored documents."""
        if self.words is None:
            return None if self.n_known is None else self.n_known > 0
        is_trained = space.version > 1  # a function that learned nothing knows every word
        knows = bool(self.n_known) and (is_trained or not self.clauses)
        return knows or self.words.is_known


class AskedReader:
    """Reads the queries of requests.

    Args:
        encoder: gives codes to texts.
        settings: bounds of texts.
    """

    def __init__(self, encoder: Encoder, settings: Settings) -> None:
        self.encoder = encoder
        self.settings = settings

    def check(self, request: SearchRequest) -> None:
        """Refuse texts that cannot be hashed.

        Raises:
            InvalidContent: a text is blank, too long or cannot be stored; with its position among several.
            InvalidInput: there is no example of what is wanted.
        """
        most = self.settings.max_text_chars
        if request.kind == "recommend":
            for name, examples in (("positive", request.positive), ("negative", request.negative)):
                for place, one in enumerate(examples):
                    if one.text is not None:
                        check_content(from_wire(text=one.text), most, f"{name}[{place}].text")
            if not request.positive:
                raise InvalidInput("positive must hold at least one example, got none")
            return
        contents = _texts(request)
        is_search = request.kind == "search"
        if request.is_batch:
            check_contents(contents, most, "queries" if is_search else "texts")
        elif contents:
            check_content(contents[0], most, "q" if is_search else "text")

    def at_once(self, state: State, request: SearchRequest) -> list[Asked] | None:
        """What each query of a short request is, in a few milliseconds at most; None where that is not sure to do."""
        if request.kind == "recommend":
            return None
        if request.kind == "search":
            if not _are_words_brief(request):
                return None
            queries = _queries(state, request)
            contents = _contents_of_queries(state, request, queries)
            encoded = None
            if _needs_codes(state, request):
                encoded = self.encoder.encode_at_once(_digest(state), contents)
                if encoded is None:
                    return None
            return _typed(request, queries, contents, encoded)
        if (known := _of_known_code(state, request)) is not None:
            return known
        if not _are_contents_brief(request):
            return None
        contents = _contents(state, request)
        encoded = self.encoder.encode_at_once(_digest(state), contents)
        return None if encoded is None else _encoded(state, request, contents, encoded)

    async def read(self, state: State, request: SearchRequest, *, is_short: bool) -> list[Asked]:
        """What each query is.

        Args:
            state: has the words, and the stored documents.
            request: that was checked.
            is_short: words of a short text may be read on the event loop.
        """
        if request.kind == "recommend":
            return [await self._examples(state, request)]
        if request.kind == "search":
            is_brief = is_short and _are_words_brief(request)
            queries = _queries(state, request) if is_brief else await run_in_large_thread(_queries, state, request)
            contents = await _read_contents(request, partial(_contents_of_queries, state, request, queries))
            encoded = None
            if _needs_codes(state, request):
                encoded = await self.encoder.encode(_digest(state), contents)
            return _typed(request, queries, contents, encoded)
        if (known := _of_known_code(state, request)) is not None:
            return known
        contents = await _read_contents(request, partial(_contents, state, request))
        return _encoded(state, request, contents, await self.encoder.encode(_digest(state), contents))

    async def _examples(self, state: State, request: SearchRequest) -> Asked:
        """Examples of what is wanted and what is not."""
        wanted = [_content(state, one) for one in request.positive]
        unwanted = [_content(state, one) for one in request.negative]
        encoded = await self.encoder.encode(str(state.source.space.digest), [*wanted, *unwanted])
        directions = [_direction(encoded, row) for row in range(len(encoded.codes))]
        direction = direction_of_examples(directions[: len(wanted)], directions[len(wanted) :])
        clauses: Sequence[Clause] = ()
        if (replica := state.replica) is not None:
            is_brief = sum(map(size_of, (*wanted, *unwanted))) <= _BRIEF_CHARS
            if is_brief:
                clauses = clauses_of_examples(wanted, unwanted, replica)
            else:
                clauses = await run_in_large_thread(clauses_of_examples, wanted, unwanted, replica)
        code, _ = fuse.code_to_search(direction)
        return Asked(
            code=code,
            clauses=clauses,
            direction=direction,
            leave_out=frozenset(one.key for one in state.stored.values()),
        )


def _digest(state: State) -> str:
    """Which hash function gives codes."""
    return str(state.source.space.digest)


def _of_known_code(state: State, request: SearchRequest) -> list[Asked] | None:
    """The codes that ask, or the stored document if its code is known; None where something is to be encoded.

    Raises:
        InvalidInput: a code is not as wide as those of the space.
    """
    if request.codes:
        return [Asked(code=_code(request, place, state.source.space.n_bits)) for place in range(len(request.codes))]
    stored = None if request.document_id is None else state.stored[request.document_id]
    if stored is None or stored.code is None or request.rerank == "confidence":
        return None
    return [Asked(stored.content, stored.code, leave_out=frozenset((stored.key,)))]


def _code(request: SearchRequest, place: int, n_bits: int) -> Codes:
    code = np.frombuffer(bytes.fromhex(request.codes[place]), np.uint8)
    if len(code) * 8 != n_bits:
        name = f"codes[{place}]" if request.is_batch else "code"
        raise InvalidInput(
            f"{name} must be {n_bits // 4} hexadecimal digits, as wide as the {n_bits} bits of the active code space, "
            f"got {2 * len(code)}"
        )
    return code


def _texts(request: SearchRequest) -> list[Content]:
    return [from_wire(text=text) for text in request.texts]


def _are_contents_brief(request: SearchRequest) -> bool:
    """Whether what asks is read in a few milliseconds: pictures are not, they are decoded."""
    return not request.images and len(request.vectors) <= _BRIEF_VECTORS


async def _read_contents(request: SearchRequest, read: Callable[[], list[Content]]) -> list[Content]:
    """What asks, read where it belongs."""
    return read() if _are_contents_brief(request) else await run_in_large_thread(read)


def _contents(state: State, request: SearchRequest) -> list[Content]:
    """What asks, or a stored document that has no code yet. Blocks while it decodes vectors and pictures.

    Raises:
        InvalidContent: a vector or a picture that cannot be hashed, with its position.
        OtherModel: a vector of another embedding model than the one that the space has codes of.
    """
    if stored := [one.content for one in state.stored.values() if one.content is not None]:
        return stored
    if request.vectors:
        return _vectors(state, request)
    if request.images:
        return contents_of((GivenContent(image=one) for one in request.images), "image", None, "images")
    return _texts(request)


def _vectors(state: State, request: SearchRequest) -> list[Content]:
    """The vectors that ask.

    Raises:
        InvalidContent: one cannot be hashed, with its position.
        OtherModel: one is of another embedding model than the one that the space has codes of.
    """
    assert state.models is not None
    given = (GivenContent(vector=one, model=request.model) for one in request.vectors)
    contents = contents_of(given, "embedding", state.models, "vectors")
    for content in contents:
        assert isinstance(content, Embedding)
        state.models.check_active(state.models[content.model], state.source.space.model)
    return contents


def _contents_of_queries(state: State, request: SearchRequest, queries: Sequence[WordQuery]) -> list[Content]:
    """What is encoded of what people type: the vectors beside it, or the text. Blocks as `_contents` does."""
    return _contents(state, request) if request.vectors else [from_wire(text=query.text) for query in queries]


def _encoded(state: State, request: SearchRequest, contents: Sequence[Content], encoded: Encoded) -> list[Asked]:
    """Texts, or a stored document, that were encoded."""
    by_confidence = request.ties == "confidence"
    needs_direction = request.explain or request.rerank == "confidence"
    return [
        Asked(
            content,
            encoded.codes[row],
            encoded.confidence[row] if by_confidence else None,
            None if state.stored else int(encoded.n_known_features[row]),
            direction=_direction(encoded, row) if needs_direction else None,
            leave_out=frozenset(one.key for one in state.stored.values()),
        )
        for row, content in enumerate(contents)
    ]


def _content(state: State, example: Example) -> Content:
    if example.id is None:
        return from_wire(text=example.text or "")
    content = state.stored[example.id].content
    assert content is not None
    return content


def _are_words_brief(request: SearchRequest) -> bool:
    """Whether the words of a short request are read in a few milliseconds."""
    return sum(map(len, request.texts)) <= _BRIEF_CHARS


def _needs_codes(state: State, request: SearchRequest) -> bool:
    """Whether what people type is looked for by code."""
    if state.kind == "embedding" and not request.vectors:
        return False
    return request.rank != "words" or state.replica is None or request.radius is not None


def _queries(state: State, request: SearchRequest) -> list[WordQuery]:
    """The words of what people type. Blocks while it looks words up."""
    return [_words(state, request, place) for place in range(len(request.texts))]


def _words(state: State, request: SearchRequest, place: int) -> WordQuery:
    """The words of a query; without words in memory only the text for a code."""
    query = request.texts[place]
    try:
        if state.replica is None or request.rank == "code":
            return WordQuery((), plain_query(query))
        return word_query(query, state.replica, is_prefix=request.prefix, with_typos=request.typos)
    except InvalidInput as error:
        if not request.is_batch:
            raise
        raise InvalidInput(f"queries[{place}]: {error}") from None


def _typed(
    request: SearchRequest, queries: Sequence[WordQuery], contents: Sequence[Content], encoded: Encoded | None
) -> list[Asked]:
    """What people type, with its words, and with its codes where they are needed."""
    if encoded is None:
        return [
            Asked(content, typed=typed, words=query, clauses=query.clauses)
            for typed, query, content in zip(request.texts, queries, contents, strict=True)
        ]
    return [
        Asked(
            content,
            encoded.codes[row],
            None,
            int(encoded.n_known_features[row]),
            typed,
            query,
            query.clauses,
            _direction(encoded, row),
        )
        for row, (typed, query, content) in enumerate(zip(request.texts, queries, contents, strict=True))
    ]


def _direction(encoded: Encoded, row: int) -> Direction:
    """Where the logits of a content point to; zeros where none of its features is known."""
    knows = np.float32(encoded.n_known_features[row] > 0)
    return fuse.direction_of(encoded.codes[row], encoded.confidence[row]) * knows
