"""What a service says about itself and what it depends on."""

import msgspec

from streams.adapters.telemetry.logs import masked


class Dependency(msgspec.Struct, frozen=True):
    """The last word on one dependency."""

    ok: bool
    detail: str = ""


class HealthReport(msgspec.Struct, frozen=True):
    """Body of `/healthz`, in the shape that operators of the protocol already parse."""

    status_code: int
    status: str  # healthy | unhealthy
    dependencies: dict[str, str]  # name → ok | fail
    details: dict[str, str]


class Health:
    """Dependencies of a process; it is healthy while none of those reported fails."""

    def __init__(self) -> None:
        self._dependencies: dict[str, Dependency] = {}

    def set(self, name: str, ok: bool, detail: str = "") -> None:
        """Record whether a dependency works now; the detail is for everybody who may ask."""
        self._dependencies[name] = Dependency(ok, masked(detail))

    def snapshot(self) -> HealthReport:
        """The report as of now."""
        known = self._dependencies
        is_healthy = all(dependency.ok for dependency in known.values())
        return HealthReport(
            status_code=200 if is_healthy else 503,
            status="healthy" if is_healthy else "unhealthy",
            dependencies={name: "ok" if known[name].ok else "fail" for name in sorted(known)},
            details={name: known[name].detail for name in sorted(known) if known[name].detail},
        )
