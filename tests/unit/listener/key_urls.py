"""A node's public storage behind a mock transport, and the digests of what it serves."""

import hashlib
from collections.abc import Mapping

import httpx

from streams.adapters.key_store import Material

URL = "http://store/bucket"
KEYSET, CRS = b"CLRK" + bytes(60), b"reference string"


def serialised(type_name: str, content: bytes = b"content") -> bytes:
    """What TFHE-rs writes before an object, and then the object."""
    texts = [len(text).to_bytes(8, "little") + text.encode() for text in ("0.5", "0.1", type_name)]
    return texts[0] + bytes(4) + texts[1] + texts[2] + content


def digest_of(material: Material, body: bytes) -> bytes:
    return hashlib.shake_256(material.domain + body).digest(32)


class Storage:
    """Objects by URL; everything else is 404. Counts what is asked."""

    def __init__(self, objects: Mapping[str, bytes | int]) -> None:
        self.objects = dict(objects)
        self.asked: list[str] = []

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        self.asked.append(url)
        found = self.objects.get(url, 404)
        return httpx.Response(found) if isinstance(found, int) else httpx.Response(200, content=found)


def listing(*keys: str, token: str = "") -> bytes:
    contents = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    space = "http://s3.amazonaws.com/doc/2006-03-01/"
    return f'<ListBucketResult xmlns="{space}">{contents}{more}</ListBucketResult>'.encode()
