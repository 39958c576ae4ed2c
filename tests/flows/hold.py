"""How long a heavy request holds up another one: the longest wait of `/healthz` beside it."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from pathlib import Path

HEAVY = """
import http.client, sys
port, method, path, file = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=300)
body = open(file, "rb").read()
connection.request(method, path, body or None, {"Content-Type": "application/json"} if body else {})
response = connection.getresponse()
n = 0
while part := response.read(1 << 20):
    n += len(part)
print(response.status, n)
"""


BUSY = """
import time
until = time.perf_counter() + 1
while time.perf_counter() < until:
    pass
"""


def longest_wait(port: int, method: str, path: str, body: bytes, folder: Path) -> tuple[str, float, float]:
    """Status and length of a heavy answer, its time in s, and the longest wait of `/healthz` meanwhile in s."""
    file = folder / "body.json"
    file.write_bytes(body)
    return _beside([sys.executable, "-c", HEAVY, str(port), method, path, str(file)], port)


def longest_wait_beside_nothing(port: int) -> float:
    """The longest wait of `/healthz` in s while another process computes and the service has nothing else to do."""
    return _beside([sys.executable, "-c", BUSY], port)[2]


def _beside(command: list[str], port: int) -> tuple[str, float, float]:
    probe = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(5):
        healthz(probe)
    began = time.perf_counter()
    heavy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    longest = 0.0
    while heavy.poll() is None:
        longest = max(longest, healthz(probe))
        time.sleep(0.001)
    seconds = time.perf_counter() - began
    assert heavy.stdout is not None
    answer = heavy.stdout.read().strip()
    heavy.stdout.close()
    probe.close()
    return answer, seconds, longest


def healthz(connection: http.client.HTTPConnection) -> float:
    """Seconds that one `/healthz` takes."""
    began = time.perf_counter()
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    return time.perf_counter() - began
