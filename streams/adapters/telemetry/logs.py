"""JSON lines on stderr, one `action` per line, secrets masked, the libraries' own logs included."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Final, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MASK: Final = "**********"

_SECRET_KEY = re.compile(r"private_key|secret|password|token|credential", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(\w+://[^\s:/@]*):[^\s/@]+@")
_HIDDEN_CHARS_MIN = 6  # a shorter "secret" would mask ordinary words
_LOUD_LIBRARIES: Final = (
    "aiokafka",
    "faust",
    "mode",
    "botocore",
    "urllib3",
    "httpx",
    "websockets",
    "aiohttp",
)

_hidden: set[str] = set()


def hide(value: str) -> None:
    """Mask this value, with and without a leading 0x, in every later line."""
    bare = value.removeprefix("0x")
    if len(bare) >= _HIDDEN_CHARS_MIN:
        _hidden.add(bare)


def mask_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Processor: replace hidden values, passwords in URLs and everything under a secret's name."""
    del logger, method
    return {key: MASK if _SECRET_KEY.search(key) else _masked(value) for key, value in event.items()}


def _masked(value: object) -> object:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, bytes):
        return masked(value.hex())
    if isinstance(value, Mapping):
        items = cast(Mapping[object, object], value)
        return {str(k): MASK if _SECRET_KEY.search(str(k)) else _masked(v) for k, v in items.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(element) for element in cast(Iterable[object], value)]
    if isinstance(value, bool | int | float) or value is None:
        return value
    return masked(str(value))


def masked(text: str) -> str:
    """The text without hidden values and without passwords in URLs."""
    for secret in _hidden:
        text = text.replace(secret, MASK)
    return _URL_PASSWORD.sub(rf"\1:{MASK}@", text)


def configure(service: str, level: str, stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's loggers through one pipeline to `stream` (stderr)."""

    def name_service(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        del logger, method
        event.setdefault("service", service)
        event.setdefault("action", "log")
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_service,
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_secrets,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for library in _LOUD_LIBRARIES:
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _stderr_logger(*arguments: object) -> structlog.PrintLogger:
    """A logger on the stderr of now: whoever captures a command's output may have replaced it."""
    del arguments
    return structlog.PrintLogger(sys.stderr)


def configure_for_people() -> None:
    """What a command at a terminal shows: warnings and worse, on stderr; its results are on stdout."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            mask_secrets,
            structlog.processors.LogfmtRenderer(key_order=("level", "event")),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=_stderr_logger,
        cache_logger_on_first_use=False,
    )
