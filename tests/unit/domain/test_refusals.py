"""The table of refusals: selectors as the protocol states them, and one meaning per error."""

import pytest

from streams.adapters.ethereum import abi
from streams.domain.refusals import BY_NAME, REFUSALS, Reaction, Refusal, reaction

# Selectors and names of the protocol's own table; the pause is of the contracts' library.
TABLE = {
    "CoprocessorAlreadyVerified": ("f9ed431f", Reaction.DONE),
    "CoprocessorAlreadyRejected": ("2fa73174", Reaction.DONE),
    "VerifyProofNotRequested": ("4711083f", Reaction.RETRY_UNLIMITED),
    "CoprocessorAlreadyAdded": ("1dd7250c", Reaction.DONE),
    "CiphertextMaterialNotFound": ("0666cbdf", Reaction.RETRY_LIMITED),
    "NotCoprocessorTxSender": ("52d725f5", Reaction.FATAL),
    "NotCoprocessorSigner": ("26cd75dc", Reaction.FATAL),
    "CoprocessorSignerDoesNotMatchTxSender": ("e134bf62", Reaction.FATAL),
    "HostChainDisabled": ("603668c4", Reaction.RETRY_LIMITED),
    "HostChainNotRegistered": ("b6679c3b", Reaction.RETRY_LIMITED),
    # Of an old network's access list, whose errors the protocol's table has by signature only.
    "CoprocessorAlreadyAllowedAccount": ("6637e32d", Reaction.DONE),
    "CoprocessorAlreadyAllowedPublicDecrypt": ("a6f04d26", Reaction.DONE),
    "EnforcedPause": ("d93c0665", Reaction.RETRY_UNLIMITED),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_error_has_its_selector_and_its_reaction(name: str) -> None:
    selector, expected = TABLE[name]
    assert BY_NAME[name].selector.hex() == selector
    assert reaction(name) is expected


def test_the_table_has_no_other_rows() -> None:
    assert {refusal.name for refusal in REFUSALS} == set(TABLE)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_each_error_is_decoded_under_its_name(refusal: Refusal) -> None:
    shape = abi.ERRORS[refusal.selector]
    assert f"{shape.name}({','.join(shape.inputs)})" == refusal.signature
    assert abi.decode_error(refusal.selector + bytes(32 * len(shape.inputs))).name == refusal.name


@pytest.mark.parametrize("name", ["Unknown", "Error", "Panic", "SomethingNew"])
def test_what_the_table_does_not_have_is_tried_so_many_times(name: str) -> None:
    assert reaction(name) is Reaction.RETRY_LIMITED
