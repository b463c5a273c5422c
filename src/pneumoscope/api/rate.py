"""How often one address may ask: a bucket that fills evenly, and is full after a minute."""

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["RateLimit"]


class RateLimit:
    """Token buckets by address; the addresses are kept in memory only, and only the latest ones.

    Args:
        per_minute: requests of one address, on average and in one go; 0 sets no limit.
        clock: seconds, monotonic.
        remembered: addresses.
    """

    def __init__(
        self, per_minute: int, *, clock: Callable[[], float] = time.monotonic, remembered: int = 4096
    ) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._remembered = remembered
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """Count one request.

        Returns:
            0 where it may go on; else it is not counted, and this is how long the address must wait.
        """
        if not self._per_minute:
            return 0.0
        now = self._clock()
        rate = self._per_minute / 60.0
        tokens, then = self._buckets.pop(address, (float(self._per_minute), now))
        tokens = min(float(self._per_minute), tokens + (now - then) * rate)
        allowed = tokens >= 1.0
        self._buckets[address] = (tokens - allowed, now)
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / rate
