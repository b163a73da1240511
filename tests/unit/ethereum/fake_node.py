"""A node of a dictionary: answers by method, counts what it was asked."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from streams.adapters.ethereum.rpc import RpcClient

Answer = Callable[[list[Any]], Any]


class Refusal(Exception):
    """The node answers with this error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.body = {"code": code, "message": message, "data": data}


class FakeNode:
    """Give it a value or a function per method; a list of faults is worked off first."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.faults: list[Exception | httpx.Response] = []
        self.requests: list[dict[str, Any]] = []
        self.posts = 0
        self.batch_max = 1_000

    def client(self, **settings: Any) -> RpcClient:
        return RpcClient(
            "http://node", transport=httpx.MockTransport(self._handle), wait_first_s=0.0, **settings
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.posts += 1
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        body = json.loads(request.content)
        if isinstance(body, list):
            if len(body) > self.batch_max:
                refusal = {"code": -32600, "message": "batch too large"}
                return httpx.Response(200, json={"jsonrpc": "2.0", "id": None, "error": refusal})
            return httpx.Response(200, json=[self._answer(item) for item in reversed(body)])
        return httpx.Response(200, json=self._answer(body))

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(request)
        answer = self.answers[request["method"]]
        head = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            return {**head, "result": answer(request["params"]) if callable(answer) else answer}
        except Refusal as refusal:
            return {**head, "error": refusal.body}


def refuse(code: int, message: str, data: Any = None) -> Answer:
    """An answer that is an error."""

    def answer(_params: list[Any]) -> Any:
        raise Refusal(code, message, data)

    return answer
