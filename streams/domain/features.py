"""Features that operators switch at run time by `control.v1`, without a restart: what each means, on and off.

None of them touches what comes out: facts alone decide that. They say in which order and where it is done.
"""

from enum import StrEnum
from typing import Final


class Feature(StrEnum):
    """Names on `control.v1` and on the command line."""

    LOCALITY = "locality"
    CONTRACT_FAIRNESS = "contract-fairness"


# shown by `cipherstream control feature --help`
MEANINGS: Final[dict[Feature, str]] = {
    Feature.LOCALITY: "on: MAX_LOCALITY, off: MAX_PARALLELISM; by default what engine.schedule says",
    Feature.CONTRACT_FAIRNESS: "on, the default: contracts of a tenant take turns; off: only tenants do",
}
