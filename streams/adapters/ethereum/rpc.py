"""JSON-RPC over HTTP: one class that knows the wire, with retries for what may pass."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx
import msgspec
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from streams.adapters.breaker import Breaker
from streams.adapters.ethereum.errors import TooMuch
from streams.adapters.ethereum.refusal import problem_of, refusal
from streams.adapters.ethereum.span import Span
from streams.adapters.system import SystemClock
from streams.domain.errors import RpcError
from streams.ports import Clock

T = TypeVar("T")
Call = tuple[str, Sequence[object]]

ANSWER_BYTES_MAX: Final = (
    128 * 1024 * 1024
)  # a full block's logs are some MB; beyond this the node is not sane
BATCH_MAX: Final = 256  # requests in one
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
_TOO_LARGE: Final = 413
_WHOLE_ANSWER_TIMES: Final = 6  # of the time without a byte: a node must not trickle for ever
_REFUSAL_BYTES_MAX: Final = 64 * 1024  # of an error page
# What an answer may be instead of the JSON that was asked for: nesting without end is no JSON of a node.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_log = structlog.get_logger(__name__)


class _Answer(msgspec.Struct, frozen=True):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: object = None


class _Unavailable(RpcError):
    """The node was not reached, or was too busy to answer."""


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_ANSWERS: Final[msgspec.json.Decoder[list[_Answer] | _Answer]] = msgspec.json.Decoder(list[_Answer] | _Answer)


class RpcClient:
    """One node. Transport faults are retried and then raised as RpcError; what a node answers is not."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10.0,
        attempts: int = 4,
        wait_first_s: float = 0.1,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Args: timeout_s: longest time without a byte; a whole answer may take six times as long."""
        self.url = url
        self._whole_s = _WHOLE_ANSWER_TIMES * timeout_s
        self._numbers = itertools.count()
        self._batches = Span(BATCH_MAX)
        # Not by the environment's proxy: a node is named by the settings alone.
        self._http = httpx.AsyncClient(timeout=timeout_s, transport=transport, trust_env=False)
        self._attempts = attempts
        name = f"node {httpx.URL(url).host}"  # a URL's path may hold a secret
        self._breaker = Breaker(name, clock or SystemClock(), _Unavailable, failure=_Unavailable)
        self._wait = wait_exponential_jitter(multiplier=wait_first_s, max=5.0, jitter=wait_first_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(self, method: str, params: Sequence[object], decoder: msgspec.json.Decoder[T]) -> T:
        """One request.

        Raises:
            BlockUnknown: the node does not have the block that is asked for.
            ContractReverted: the call ran and was refused.
            RpcRefused: any other error in the answer.
            TooMuch: the answer has more bytes than anybody needs.
            RpcError: no answer, none that can be read, or one to another request.
        """
        number = next(self._numbers)
        body = msgspec.json.encode(_request(number, method, params))
        answer = _read(_ANSWER, await self._post(method, body))
        # An error may come without the request's number: a node that cannot read it does not know it.
        if answer.error is None and answer.id != number:
            raise RpcError(f"{method}: the answer is to another request")
        return _result(method, answer, decoder)

    async def batch(self, calls: Sequence[Call], decoder: msgspec.json.Decoder[T]) -> list[T]:
        """Many requests in one; results in their order. Raises as `call` does, for the first that failed.

        A node that takes fewer requests at once, or one only, is asked so.
        """
        results: list[T] = []
        while len(results) < len(calls):
            part = calls[len(results) : len(results) + self._batches.length]
            try:
                results += await self._batch(part, decoder)
            except TooMuch:
                if not self._batches.refuse(len(part)):
                    return [await self.call(*each, decoder) for each in calls]
                continue
            self._batches.succeed(len(part))
        return results

    async def _batch(self, calls: Sequence[Call], decoder: msgspec.json.Decoder[T]) -> list[T]:
        numbers = [next(self._numbers) for _ in calls]
        asked = zip(numbers, calls, strict=True)
        body = msgspec.json.encode([_request(number, *call) for number, call in asked])
        answers = _read(_ANSWERS, await self._post("batch", body))
        if isinstance(answers, _Answer):  # one for all: it does not take batches, or not of this size
            words = problem_of(answers.error).message if answers.error is not None else "one answer to it"
            raise TooMuch(f"a batch of {len(calls)} was refused: {words}")
        by_id = {answer.id: answer for answer in answers}
        if by_id.keys() != set(numbers):
            raise RpcError(f"{len(by_id)} answers to a batch of {len(calls)}, or to other requests")
        methods = (method for method, _ in calls)
        return [_result(method, by_id[n], decoder) for n, method in zip(numbers, methods, strict=True)]

    async def _post(self, method: str, body: bytes) -> bytes:
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(_Unavailable),
            stop=stop_after_attempt(self._attempts),
            wait=self._wait,
            before_sleep=_note(method),
            reraise=True,
        )
        # The breaker outside the retries: all attempts of one request are one failure.
        return await self._breaker.call(lambda: attempts(self._post_once, method, body))

    async def _post_once(self, method: str, body: bytes) -> bytes:
        headers = {"content-type": "application/json"}
        try:
            async with (
                asyncio.timeout(self._whole_s),
                self._http.stream("POST", self.url, content=body, headers=headers) as response,
            ):
                if response.status_code in _BUSY:
                    raise _Unavailable(f"{method}: HTTP status {response.status_code}")
                if response.status_code == _TOO_LARGE:
                    raise TooMuch(f"{method}: HTTP status {response.status_code}")
                # No retry: with this status the same request would be refused again.
                if response.status_code >= 400:
                    return await _read_refusal(method, response)
                return await _read_body(method, response)
        except (httpx.HTTPError, TimeoutError) as error:
            raise _Unavailable(f"{method}: {type(error).__name__}") from error


def _note(method: str) -> Callable[[RetryCallState], None]:
    def note(state: RetryCallState) -> None:
        _log.warning("node unavailable", action="rpc_retry", method=method, attempt=state.attempt_number)

    return note


async def _read_body(method: str, response: httpx.Response, size_bytes_max: int = 0) -> bytes:
    body, most = bytearray(), size_bytes_max or ANSWER_BYTES_MAX
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            raise TooMuch(f"{method}: the answer has more than {most} bytes")
    return bytes(body)


async def _read_refusal(method: str, response: httpx.Response) -> bytes:
    """The body of an error status where it says why: those of some nodes' refusals do."""
    body = await _read_body(method, response, _REFUSAL_BYTES_MAX)
    try:
        answer = _ANSWER.decode(body)
    except UNREADABLE:
        answer = _Answer()
    if answer.error is None:
        raise RpcError(f"{method}: HTTP status {response.status_code}")
    return body


def _request(number: int, method: str, params: Sequence[object]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise RpcError("the node's answer is not JSON-RPC") from error


def _result(method: str, answer: _Answer, decoder: msgspec.json.Decoder[T]) -> T:
    if answer.error is not None:
        raise refusal(method, problem_of(answer.error))
    try:
        return decoder.decode(answer.result)
    except UNREADABLE as error:
        raise RpcError(f"{method}: the result has another shape: {error}") from error
