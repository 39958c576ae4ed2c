"""What may be asked of a collection: texts of texts, vectors of vectors, pictures of pictures, codes of all."""

from __future__ import annotations

from service.errors import InvalidInput
from service.hashing.content import Kind
from service.search.request import SearchRequest

_ASKS = {"text": "texts", "embedding": "vectors", "image": "images"}
"""What a query for similar documents brings; a code or a stored document may ask in any collection."""


def check_kind(request: SearchRequest, kind: Kind) -> None:
    """Refuse what a collection of a kind cannot answer.

    Raises:
        InvalidInput: it cannot.
    """
    if request.model is not None and kind != "embedding":
        raise InvalidInput(f"model is for collections of kind embedding, this one is of kind {kind}")
    if request.highlight and kind == "image":
        raise InvalidInput("highlight is not for a collection of kind image: pictures have no words")
    if request.kind == "similar":
        _check_similar(request, kind)
    elif request.kind == "search":
        _check_search(request, kind)
    else:
        _check_examples(request, kind)


def _check_similar(request: SearchRequest, kind: Kind) -> None:
    for name in _ASKS.values():
        if getattr(request, name) and name != _ASKS[kind]:
            asks = "text" if name == "texts" and not request.is_batch else name
            raise InvalidInput(
                f"{asks} cannot be asked of a collection of kind {kind}: ask by {_ASKS[kind]}, by codes, or by the id "
                "of a document"
            )
    if request.rerank == "features" and kind == "image":
        raise InvalidInput(
            "rerank=features is not for a collection of kind image: pictures have neither words nor vectors"
        )
    if request.rerank == "features" and request.codes:
        raise InvalidInput("rerank=features is not for codes: they do not tell what they were made of")
    if request.rerank == "confidence" and request.codes:
        raise InvalidInput("rerank=confidence is not for codes: how sure their bits are is not known")
    if request.ties == "confidence" and request.codes:
        raise InvalidInput("ties=confidence is not for codes: how sure their bits are is not known")


def _check_search(request: SearchRequest, kind: Kind) -> None:
    if kind == "image":
        raise InvalidInput("search is for words, a collection of kind image has none: ask for similar pictures")
    if request.vectors and kind != "embedding":
        raise InvalidInput(f"vectors cannot be asked of a collection of kind {kind}")
    if request.vectors and len(request.vectors) != len(request.texts):
        raise InvalidInput(
            f"vectors must be as many as queries, got {len(request.vectors)} for {len(request.texts)} queries"
        )
    if kind == "embedding" and not request.vectors and (request.rank == "code" or request.radius is not None):
        option = "rank=code" if request.rank == "code" else "radius"
        raise InvalidInput(
            f"{option} must come with vectors in a collection of kind embedding: words have no code there"
        )


def _check_examples(request: SearchRequest, kind: Kind) -> None:
    if kind == "image" and request.rank == "words":
        raise InvalidInput("rank=words is not for a collection of kind image: pictures have no words")
    for name, examples in (("positive", request.positive), ("negative", request.negative)):
        for place, one in enumerate(examples):
            if one.text is not None and kind != "text":
                raise InvalidInput(
                    f"{name}[{place}] must have an id, a collection of kind {kind} knows no texts as examples"
                )
