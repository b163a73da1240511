"""Time and randomness of this machine."""

import asyncio
import secrets
import time


class SystemClock:
    """ports.Clock of the operating system."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def now_us(self) -> int:
        """Microseconds since the epoch, for what is measured."""
        return time.time_ns() // 1_000

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary origin, never back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        await asyncio.sleep(seconds)


class SystemEntropy:
    """ports.Entropy of the operating system."""

    def bytes(self, size: int) -> bytes:
        """That many unpredictable bytes."""
        return secrets.token_bytes(size)
