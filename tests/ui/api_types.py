"""Writes the types of the API for the page's checks: `python -m tests.ui.api_types`."""

from __future__ import annotations

import re
from typing import Any

from service.config import Settings
from service.web.app import create_app
from service.web.page import FOLDER

FILE = FOLDER / "types.d.ts"
_HEAD = "// Made from the OpenAPI document by `python -m tests.ui.api_types`; not to be edited.\n"
_SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def api_types() -> str:
    """The schemas of the OpenAPI document as types of TypeScript, by name."""
    schemas = create_app(Settings(database_url="sqlite://")).openapi()["components"]["schemas"]
    return _HEAD + "".join(f"export type {_name(name)} = {_type(schemas[name])};\n" for name in sorted(schemas))


def _name(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _name(schema["$ref"].rpartition("/")[2])
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " | ".join(f'"{value}"' if isinstance(value, str) else str(value).lower() for value in values)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_type(one) for one in schema[several]))
    if "allOf" in schema:
        return " & ".join(_type(one) for one in schema["allOf"])
    match schema.get("type"):
        case "array":
            return _list(schema)
        case "object":
            return _object(schema)
        case list(types):
            return " | ".join(_SIMPLE[one] for one in types)
        case name:
            return _SIMPLE.get(str(name), "unknown")


def _list(schema: dict[str, Any]) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(_type(item) for item in schema['prefixItems'])}]"
    return f"({_type(schema.get('items', {}))})[]"


def _object(schema: dict[str, Any]) -> str:
    if "properties" not in schema:
        values = schema.get("additionalProperties", {})
        return f"Record<string, {_type(values) if isinstance(values, dict) else 'unknown'}>"
    required = schema.get("required", ())
    members = (f'"{name}"{"" if name in required else "?"}: {_type(one)}' for name, one in schema["properties"].items())
    return "{ " + "; ".join(members) + " }"


if __name__ == "__main__":
    FILE.write_text(api_types(), "utf-8")
