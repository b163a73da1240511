"""Which tenants an event of the gateway concerns."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from streams.domain import events
from streams.domain.errors import Undecodable, UndecodableLog
from streams.domain.facts import GATEWAY_TENANT, Log
from streams.domain.handle import parse_handle

_REQUESTS_MAX: Final = 100_000  # remembered; the answer to an older one goes to every tenant

_Answer = (
    events.VerifyProofResponse
    | events.VerifyProofResponseCall
    | events.RejectProofResponse
    | events.RejectProofResponseCall
)
_OfHandle = (
    events.AddCiphertextMaterial
    | events.AddCiphertextMaterialConsensus
    | events.AccountAllowed
    | events.PublicDecryptAllowed
)


class Router:
    """Routes by chain id; answers follow their request where this process saw it."""

    def __init__(self, tenants: Mapping[int, str]) -> None:
        """Args: tenants: of the configured host chains, by chain id."""
        self._tenants = dict(tenants)
        self._requests: OrderedDict[int, str] = OrderedDict()
        self.everybody: Final = (*self._tenants.values(), GATEWAY_TENANT)

    def route(self, log: Log) -> tuple[str, ...]:
        """Tenants that hear of a log: none for a stranger's, `gateway` for what nobody else can use."""
        try:
            event = events.decode_gateway_log(log.topics, log.data)
        except UndecodableLog:
            # It decodes to nobody's tenant, but must not vanish: its log raises an alarm there.
            return (GATEWAY_TENANT,)
        if event is None:
            return ()
        if isinstance(event, events.VerifyProofRequest):
            return (self._request(event),)
        if isinstance(event, _Answer):
            tenant = self._requests.get(event.zk_proof_id)
            # Too much is harmless, a tenant without the request ignores the answer; too little would lose
            # it.
            return self.everybody if tenant is None else (tenant,)
        if isinstance(event, _OfHandle):
            return (self._of_handle(event.handle),)
        if isinstance(event, events.UpdateCoprocessors):
            return self.everybody  # each tenant expects their commits
        return (GATEWAY_TENANT,)

    def _request(self, event: events.VerifyProofRequest) -> str:
        tenant = self._tenants.get(event.contract_chain_id, GATEWAY_TENANT)
        self._requests[event.zk_proof_id] = tenant
        if len(self._requests) > _REQUESTS_MAX:
            self._requests.popitem(last=False)
        return tenant

    def _of_handle(self, raw: bytes) -> str:
        try:
            return self._tenants.get(parse_handle(raw).chain_id, GATEWAY_TENANT)
        except Undecodable:
            return GATEWAY_TENANT
