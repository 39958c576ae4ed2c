"""Requests drawn at random against a running service: none may get a 5xx but a 503 that says when to come again.

    python -m benchmarks.fuzz [--requests 100000] [--workers 2] [--seed 1] [--url URL --key KEY]

Every call of the OpenAPI document is sent with values that fit, values that nearly fit, and values that do not: numbers
too large, wrong types, deep JSON, broken UTF-8, damaged gzip, bombs, paths with tricks, unknown members, headers of
every kind. Without `--url` a service with several workers is started on a SQLite file. What a request changed stays, so
later ones meet it.

The exit status is 0 if every answer was one that the service may give: below 500, or a 503 with `Retry-After`, as
`application/problem+json` where it is an error, within 30 s.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import gzip
import json
import random
import string
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import numpy as np
from rich.console import Console

from benchmarks.chaos.installation import Service

console = Console()
KEY = "the key of the fuzzer"
TIMEOUT_S = 30.0

Rng = random.Random


@dataclass
class Seen:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    longest_s: float = 0.0


def strings(rng: Rng) -> Any:
    """Texts that break things."""
    return rng.choice(
        [
            lambda: "",
            lambda: " ",
            lambda: "a" * rng.choice((1, 255, 256, 5_000, 120_000)),
            lambda: "".join(chr(rng.choice((0, 9, 0x7F, 0x80, 0x202E, 0xFFFE, 0x1F600, 0x10FFFF))) for _ in range(5)),
            lambda: "\ud800",
            lambda: "../../etc/passwd",
            lambda: "%00%2e%2e%2f",
            lambda: "'; DROP TABLE documents; --",
            lambda: "<script>alert(1)</script>",
            lambda: "".join(rng.choices(string.printable, k=rng.randrange(40))),
            lambda: '"' * 20,
            lambda: "9999-99-99T99:99:99Z",
            lambda: "2026-11-30T14:05:00+99:00",
            lambda: "e\u0301" * 2_000,
            lambda: "NaN",
            lambda: "(" * 3_000,
            lambda: '"unclosed +a -b c* ' * 30,
        ]
    )()


def numbers(rng: Rng) -> Any:
    return rng.choice(
        [0, -1, 1, 1e308, -1e308, 1e400, float("nan"), 1 << 63, -(1 << 63), 1 << 64, 10**40, 0.1, 5e-324, 255, 65_536]
    )


def nested(rng: Rng) -> Any:
    """Deep or wide JSON."""
    value: Any = 1
    for _ in range(rng.choice((3, 60, 900))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return rng.choice([value, {str(i): i for i in range(3_000)}, [[]] * 5_000])


def anything(rng: Rng) -> Any:
    return rng.choice([strings, numbers, nested, lambda _: None, lambda _: True, lambda _: {}, lambda _: []])(rng)


def mutated(value: Any, rng: Rng) -> Any:
    """A value, with one place in it changed."""
    if rng.random() < 0.1:
        return anything(rng)
    if isinstance(value, dict) and value:
        changed = dict(value)
        name = rng.choice([*value])
        roll = rng.random()
        if roll < 0.15:
            del changed[name]
        elif roll < 0.3:
            changed[str(strings(rng))[:300]] = anything(rng)
        else:
            changed[name] = mutated(value[name], rng)
        return changed
    if isinstance(value, list) and value:
        changed_list = list(value)
        place = rng.randrange(len(value))
        if rng.random() < 0.2:
            changed_list *= rng.choice((0, 2, 400))
        else:
            changed_list[place] = mutated(value[place], rng)
        return changed_list
    return anything(rng)


def encoded(body: Any, rng: Rng) -> tuple[bytes, dict[str, str]]:
    """A body as bytes, at times damaged, and the headers that go with it."""
    headers = {"Content-Type": "application/json"}
    data = json.dumps(body).encode("utf-8", "surrogatepass")
    roll = rng.random()
    if roll < 0.06 and data:
        place = rng.randrange(len(data))
        data = data[:place] + bytes(rng.randrange(256) for _ in range(3)) + data[place + 1 :]
    elif roll < 0.1:
        data = data[: rng.randrange(len(data) + 1)]
    elif roll < 0.13:
        data = json.dumps(body).encode("utf-16")
    elif roll < 0.15:
        data = b'{"documents":' + b"[" * 50_000
    if rng.random() < 0.08:
        headers["Content-Encoding"] = rng.choice(("gzip", "deflate", "br", "gzip, gzip"))
        if rng.random() < 0.6:
            data = gzip.compress(data)
        elif rng.random() < 0.3:
            data = gzip.compress(bytes(30 << 20))
    if rng.random() < 0.06:
        types = ("text/plain", "application/x-npy", "application/x-ndjson", "multipart/form-data", "", "a/b; c=\xe9")
        headers["Content-Type"] = rng.choice(types)
    return data, headers


def npy(rng: Rng) -> bytes:
    file = BytesIO()
    np.save(file, np.ones((rng.choice((0, 1, 3)), rng.choice((1, 3, 9)))))
    data = bytearray(file.getvalue())
    for _ in range(rng.randrange(3)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[: rng.choice((len(data), rng.randrange(len(data) + 1)))])


def _bodies() -> dict[str, list[Any]]:
    """For the end of a path, bodies that fit it."""
    documents = [{"id": "1", "text": "bread in the oven", "metadata": {"lang": "en", "year": 2020}}, {"text": "a boat"}]
    narrowing = {"k": 5, "filter": {"lang": "en"}, "facets": ["lang"], "fields": ["id"], "where": ["lang:en"]}
    return {
        "documents": [{"documents": documents}, {"documents": [{"id": "9", "vector": [1, 2, 3], "text": "x"}]}],
        "documents/get": [{"ids": ["1", "2"]}],
        "documents/delete": [{"ids": ["7"]}, {"filter": {"year": {"lt": 1900}}}],
        "documents/patch": [{"documents": [{"id": "1", "metadata": {"lang": None, "year": 2021}}]}],
        "similar": [{"texts": ["bread"], **narrowing}, {"codes": ["0f0f"], "k": 3}, {"vectors": [[1, 2, 3]]}],
        "search": [{"queries": ["bread +oven -boat"], "rank": "hybrid", "highlight": True, **narrowing}],
        "recommend": [{"positive": [{"id": "1"}, {"text": "bread"}], "negative": [{"id": "2"}], **narrowing}],
        "duplicates": [{"radius": 2, "by": "words"}],
        "vectors": [{"model": "v2", "dims": 4, "vectors": [{"id": "1", "vector": [1, 2, 3, 4]}]}],
        "retrain": [{"epochs": 1, "variant": "neighbor", "aim": "topics", "force": True}],
        "pairs": [{"pairs": [{"a": "1", "b": "2", "similar": True}]}],
        "import": [{"id": "5", "text": "one line"}],
        "keys": [{"name": "one", "scopes": ["read"], "expires_at": "2099-01-01T00:00:00Z"}],
        "{collection}": [
            {"n_bits": 64},
            {"kind": "embedding", "dims": 3, "metric": "cosine"},
            {"synonyms": [["a", "b"]]},
        ],
        "{id}": [{"metadata": {"lang": "de"}}],
        "": [{}],
    }


_QUERY: dict[str, list[str]] = {
    "q": ["bread", "bread +oven", '"in the oven"', "br*"],
    "k": ["5", "1000"],
    "code": ["0f0f", "00ff00ff00ff00ff"],
    "filter": ['{"year": {"gte": 2020}}', '{"or": [{"lang": "en"}]}'],
    "where": ["lang:en"],
    "facets": ["lang,year:2020.."],
    "sort": ["-year"],
    "fields": ["id,metadata.lang"],
    "limit": ["3"],
    "n": ["10"],
    "a": ["1"],
    "b": ["2"],
}


class Drawing:
    """Draws requests for the calls of an OpenAPI document."""

    def __init__(self, document: dict[str, Any], seed: int) -> None:
        self.rng = Rng(seed)
        self.bodies = _bodies()
        methods = ("get", "put", "post", "delete", "patch")
        self.calls = [
            (method.upper(), path, [p for p in call.get("parameters", ()) if p["in"] == "query"])
            for path, calls in document["paths"].items()
            for method, call in calls.items()
            if method in methods
        ]

    def draw(self) -> tuple[str, str, bytes, dict[str, str]]:
        """Method, URL, body and headers of a request."""
        rng = self.rng
        method, path, parameters = rng.choice(self.calls)
        if rng.random() < 0.02:
            method = rng.choice(("HEAD", "OPTIONS", "TRACE", "DELETE", "PATCH"))
        url = self._path(path)
        if method == "DELETE" and path.endswith("/{collection}"):
            url = "/v1/collections/made"  # or nothing would be left to ask
        query = [pair for one in parameters if rng.random() < 0.25 for pair in [self._parameter(one["name"])]]
        if rng.random() < 0.03:
            query.append(f"{quote(str(strings(rng))[:50].encode('utf-8', 'ignore'))}=1")
        if query:
            url += "?" + "&".join(query)
        headers = self._headers()
        if method in ("GET", "HEAD", "OPTIONS", "TRACE") or (method == "DELETE" and rng.random() < 0.8):
            return method, url, b"", headers
        if path.endswith(("/documents", "/import")) and rng.random() < 0.1:
            lines = b'{"id": "l", "text": "a line"}\n{"id": 3}\n\xff\n' if path.endswith("import") else npy(rng)
            kind = "application/x-ndjson" if path.endswith("import") else "application/x-npy"
            return method, url, lines, headers | {"Content-Type": kind}
        body = copy.deepcopy(rng.choice(self._bodies_of(path)))
        for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
            body = mutated(body, rng)
        data, described = encoded(body, rng)
        return method, url, data, headers | described

    def _bodies_of(self, path: str) -> list[Any]:
        ends = [end for end in self.bodies if end and path.endswith(end)]
        return self.bodies[max(ends, key=len)] if ends else self.bodies[""]

    def _path(self, path: str) -> str:
        rng = self.rng
        names: dict[str, Callable[[], str]] = {
            "collection": lambda: rng.choice((*["texts"] * 6, "vectors", "vectors", "pictures", "made", "none")),
            "id": lambda: rng.choice(("1", "2", "999", "a/b")),
            "version": lambda: rng.choice(("1", "2", "0", "99999999999999999999")),
            "job": lambda: "".join(rng.choices("0123456789abcdef", k=32)),
            "key": lambda: "key",
            "model": lambda: rng.choice(("v1", "v2")),
        }
        parts = []
        for part in path.split("/"):
            name = part.strip("{}").partition(":")[0]
            if not part.startswith("{"):
                parts.append(part)
            elif rng.random() < 0.05:
                parts.append(quote(str(strings(rng))[:300].encode("utf-8", "ignore"), safe=rng.choice(("", "/%"))))
            else:
                parts.append(names.get(name, lambda: "1")())
        return "/".join(parts)

    def _parameter(self, name: str) -> str:
        rng = self.rng
        value: Any = rng.choice(_QUERY.get(name, ["1", "true", "en"]))
        if rng.random() < 0.3:
            value = rng.choice([strings, numbers])(rng)
        raw = quote(str(value)[:2_000].encode("utf-8", "ignore"))
        return f"{name}={raw}"

    def _headers(self) -> dict[str, str]:
        rng = self.rng
        headers = {"Authorization": f"Bearer {KEY}"}
        if rng.random() < 0.05:
            headers["Idempotency-Key"] = rng.choice(("one", "two", "x" * 300, " ", "\t"))
        if rng.random() < 0.05:
            headers["If-Match"] = rng.choice(('"1.1"', "*", "W/", '"', "1"))
        if rng.random() < 0.03:
            headers["Accept"] = rng.choice(("text/html", "*/*;q=0", "x" * 2_000))
        if rng.random() < 0.02:
            headers["X-Request-ID"] = rng.choice(("a b", "x" * 500, "\x01"))
        return headers


async def send(client: httpx2.AsyncClient, request: tuple[str, str, bytes, dict[str, str]], seen: Seen) -> None:
    method, url, body, headers = request
    began = time.perf_counter()
    told = f"{method} {url[:300]} {headers} {body[:300]!r}"
    try:
        response = await client.request(method, url, content=body, headers=headers)
    except (httpx2.InvalidURL, httpx2.LocalProtocolError, ValueError):
        return  # which no client sends
    except httpx2.TransportError as error:
        seen.faults.append(f"no answer ({error!r}): {told}")
        return
    seen.longest_s = max(seen.longest_s, time.perf_counter() - began)
    status = response.status_code
    seen.statuses[status] += 1
    kind = response.headers.get("content-type", "")
    says_when = "retry-after" in response.headers or url.startswith("/readyz")  # which answers what is not ready
    if status >= 500 and not (status == 503 and says_when):
        seen.faults.append(f"{status} {response.text[:300]}: {told}")
    elif status >= 400 and method != "HEAD" and kind != "application/problem+json" and not url.startswith("/readyz"):
        seen.faults.append(f"{status} as {kind!r}: {told}")


async def fuzz(base: str, n: int, seed: int, deadline: float) -> Seen:
    """Send requests, eight at a time, and return what came back."""
    seen = Seen()
    limits = httpx2.Limits(max_connections=8)
    async with httpx2.AsyncClient(base_url=base, timeout=TIMEOUT_S, limits=limits) as client:
        document = (await client.get("/openapi.json", headers={"Authorization": f"Bearer {KEY}"})).json()
        await _fill(client)
        drawing = Drawing(document, seed)
        left = iter(range(n))

        async def one_after_another() -> None:
            for i in left:
                if time.monotonic() > deadline:
                    return
                await send(client, drawing.draw(), seen)
                if i % 5_000 == 4_999:
                    console.print(f"{i + 1} requests, {len(seen.faults)} faults", dict(sorted(seen.statuses.items())))

        await asyncio.gather(*(one_after_another() for _ in range(8)))
    return seen


async def _fill(client: httpx2.AsyncClient) -> None:
    """Collections of each kind, with a few documents."""
    headers = {"Authorization": f"Bearer {KEY}"}
    for name, body in (("texts", {}), ("vectors", {"kind": "embedding", "dims": 3}), ("pictures", {"kind": "image"})):
        (await client.put(f"/v1/collections/{name}", json=body, headers=headers)).raise_for_status()
    documents = [
        {"id": str(i), "text": f"bread {i} in oven {i % 7}", "metadata": {"lang": "en", "year": 2000 + i}}
        for i in range(300)
    ]
    put = {"documents": documents}
    (await client.post("/v1/collections/texts/documents", json=put, headers=headers)).raise_for_status()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--url")
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory(prefix="nbf-") as folder:
        service = None
        base = options.url
        if base is None:
            url = f"sqlite:///{folder}/nearbit.db"
            service = Service(url, Path(folder), options.workers, NEARBIT_ADMIN_KEY=KEY)
            service.start()
            base = service.base
        seen = asyncio.run(fuzz(base, options.requests, options.seed, deadline))
        if service is not None:
            service.stop()
            log = Path(folder, "service.log").read_text(errors="replace")
            seen.faults += [f"traceback in the log: {part[:2_000]}" for part in log.split("Traceback")[1:6]]
    for fault in seen.faults[:50]:
        console.print(fault, style="red", markup=False, highlight=False)
    console.print(f"{seen.statuses.total()} answers, longest {seen.longest_s:.1f} s, {len(seen.faults)} faults")
    console.print(dict(sorted(seen.statuses.items())))
    raise SystemExit(1 if seen.faults else 0)


if __name__ == "__main__":
    main()
