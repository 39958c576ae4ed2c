"""Wrong keys, counted by the address that they came from, so that nobody can try many."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from service.access.rate import Rate

_AT_ONCE, _PER_S = 30, 1.0
_ADDRESSES = 10_000
_NETWORK_BITS = 64


class WrongKeys:
    """Which addresses sent too many wrong keys.

    Of an address that did, wrong keys are not looked at for a while, nor keys that people chose, so that a guess is not
    even told to be right. Keys that the service made are: nobody finds one by guessing, and one caller behind a proxy
    does not stop the others. The addresses of one IPv6 network count as one; only the last 10,000 are remembered.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rates: OrderedDict[str, Rate] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds for which keys from that address are not looked at; 0.0 if they are."""
        if not self._rates:
            return 0.0
        rate = self._rates.get(_network(address))
        return 0.0 if rate is None else rate.wait_s()

    def count(self, address: str) -> None:
        """Count a wrong key from that address."""
        network = _network(address)
        rate = self._rates.get(network)
        if rate is None:
            rate = self._rates[network] = Rate(_AT_ONCE, _PER_S, self._clock)
            if len(self._rates) > _ADDRESSES:
                self._rates.popitem(last=False)
        self._rates.move_to_end(network)
        rate.take()


def _network(address: str) -> str:
    if ":" not in address:
        return address
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    mapped = found.ipv4_mapped
    return str(mapped) if mapped is not None else str(int(found) >> _NETWORK_BITS)
