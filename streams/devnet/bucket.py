"""Makes the buckets of the settings, readable by everybody: `python -m streams.devnet.bucket`.

For an object store of one's own; at a provider an operator makes them by the provider's own means.
"""

import os
import sys

from botocore.exceptions import BotoCoreError, ClientError

from streams.adapters.object_store.s3 import SECRET_VARIABLE
from streams.devnet import object_store
from streams.domain.errors import CipherstreamError, ConfigurationError
from streams.settings import ObjectStoreSettings, load_settings


def make(settings: ObjectStoreSettings, secret: str) -> tuple[str, ...]:
    """Make what is not there, and give the names; raises ConfigurationError."""
    if not (settings.endpoint and settings.access_key and secret):
        raise ConfigurationError(f"set object_store.endpoint, object_store.access_key and {SECRET_VARIABLE}")
    buckets = sorted({settings.ct64(), settings.ct128(), settings.work()})
    keys = object_store.Credentials(settings.access_key, secret)
    for bucket in buckets:
        try:
            object_store.publish(settings.endpoint, keys, bucket)
        except (BotoCoreError, ClientError) as error:
            raise ConfigurationError(f"cannot make the bucket {bucket}: {error}") from error
    return tuple(buckets)


def main() -> int:
    """The command line."""
    try:
        buckets = make(load_settings().object_store, os.environ.get(SECRET_VARIABLE, ""))
    except CipherstreamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"{', '.join(buckets)}: everybody may read\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
