"""Bodies that bring documents: JSON, or what brings vectors and pictures as they are, without base64.

That is a file of numpy, or several parts, with all that JSON may say of documents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Request
from pydantic import ValidationError

from service.errors import InvalidInput
from service.hashing.given import GivenContent
from service.hashing.npy import identified_vectors_in, vectors_in
from service.threads import run_in_large_thread
from service.web.multipart import MULTIPART, Part, read_parts
from service.web.request_json import openapi_body, parse_model, read_json_body
from service.web.schemas.documents import NewDocument, NewDocuments

NPY = "application/x-npy"
DOCUMENTS, VECTORS, IMAGES = "documents", "vectors", "images"
_FIELD_OF = {VECTORS: "vector", IMAGES: "image"}
Check = Callable[[NewDocuments], None]
Given = tuple[Sequence[NewDocument], list[GivenContent]]
"""Documents, and the content of each."""


async def read_documents(request: Request, max_batch: int, check: Check) -> Given:
    """The documents of a request.

    Args:
        request: its body may be as long as the installation allows.
        max_batch: most documents that it may bring.
        check: raises if documents break a further rule.

    Raises:
        RequestValidationError: a part, or the body, is not JSON, or breaks a rule of the model.
        InvalidInput: there are too many documents, or the parts are not what they must be.
    """
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == NPY:
        return await run_in_large_thread(_of_npy, await request.body(), max_batch)
    if media_type == MULTIPART:
        return await run_in_large_thread(_of_parts, content_type, await request.body(), max_batch, check)
    body = await read_json_body(request, NewDocuments, max_batch, check)
    given = [GivenContent(d.text, d.title, d.vector, d.image, d.model, d.vectors) for d in body.documents]
    return body.documents, given


def openapi_documents() -> dict[str, Any]:
    """Both bodies as OpenAPI declares them, for a route's `openapi_extra`."""
    extra = openapi_body(NewDocuments)
    binary = {"type": "string", "format": "binary"}
    about_vectors = "A .npy file: an array (documents, dims) of real numbers; one of vectors and images must be given."
    properties = {
        DOCUMENTS: {"$ref": f"#/components/schemas/{NewDocuments.__name__}"},
        VECTORS: binary | {"description": about_vectors},
        IMAGES: {"type": "array", "items": binary, "description": "PNG or JPEG files, a part for each document."},
    }
    extra["requestBody"]["content"][MULTIPART] = {"schema": {"type": "object", "properties": properties}}
    extra["requestBody"]["content"][NPY] = {"schema": binary}
    return extra


def _of_parts(content_type: str, body: bytes, max_batch: int, check: Check) -> Given:
    parts = read_parts(content_type, body, max_batch + 2)
    vectors = _one(parts, VECTORS)
    images: list[Any] = [part.content for part in parts if part.name == IMAGES]
    if others := {part.name for part in parts} - {DOCUMENTS, VECTORS, IMAGES}:
        raise InvalidInput(f"parts must be named {DOCUMENTS}, {VECTORS} or {IMAGES}, got {min(others)!r}")
    if (vectors is None) == (not images):
        raise InvalidInput(f"the body must have a part named {VECTORS}, or parts named {IMAGES}")
    named, contents = (IMAGES, images) if vectors is None else (VECTORS, [*vectors_in(vectors, VECTORS)])
    if not 1 <= len(contents) <= max_batch:
        raise InvalidInput(f"{named} must be 1 to {max_batch} per request, got {len(contents)}")
    documents = _documents(_one(parts, DOCUMENTS), len(contents), named, max_batch, check)
    field = _FIELD_OF[named]
    return documents, [
        GivenContent(one.text, one.title, model=one.model, **{field: content})
        for one, content in zip(documents, contents, strict=True)
    ]


def _of_npy(body: bytes, max_batch: int) -> Given:
    ids, vectors = identified_vectors_in(body, "the body")
    if not 1 <= len(vectors) <= max_batch:
        raise InvalidInput(f"the body must have 1 to {max_batch} vectors per request, got {len(vectors)}")
    given = [GivenContent(vector=vector) for vector in vectors]
    if ids is None:
        return [NewDocument()] * len(given), given
    try:
        return [NewDocument(id=id) for id in ids], given
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise InvalidInput(f"id of the body, {fault['input']!r}: {fault['msg']}") from None


def _documents(content: bytes | None, n: int, named: str, max_batch: int, check: Check) -> Sequence[NewDocument]:
    """What goes with the contents: nothing, or what the part `documents` says of each."""
    if content is None:
        return [NewDocument()] * n
    documents = parse_model(content, NewDocuments, max_batch, check).documents
    if len(documents) != n:
        raise InvalidInput(f"{DOCUMENTS} must be as many as {named}, got {len(documents)} and {n}")
    for position, document in enumerate(documents):
        for field in (*_FIELD_OF.values(), "vectors"):
            if getattr(document, field) is not None:
                raise InvalidInput(f"documents[{position}]: {field} must not be given beside {named}")
    return documents


def _one(parts: list[Part], name: str) -> bytes | None:
    found = [part.content for part in parts if part.name == name]
    if len(found) > 1:
        raise InvalidInput(f"the body must have one part named {name}, got {len(found)}")
    return found[0] if found else None
