"""Client and server keys of one parameter set, made by us: for tests and for measuring."""

from dataclasses import dataclass

from streams.fhe.devices import blind_rotation, key_switch
from streams.fhe.devices.blind_rotation import BootstrapKey
from streams.fhe.devices.key_switch import KeySwitchKey
from streams.fhe.devices.randomness import Source, binary_key
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters


# Without a repr: a log line or a failing test that shows an object must not show a key.
@dataclass(frozen=True, repr=False)
class ClientKey:
    """Secret: the small LWE key (n,) and the GLWE key (k, N). No service ever holds one."""

    parameters: Parameters
    small: Words
    glwe: Words

    @property
    def big(self) -> Words:
        """The big LWE key (k N,): the GLWE key read as one vector."""
        return self.glwe.reshape(-1)


@dataclass(frozen=True)
class ServerKey:
    """Public: what a device needs to bootstrap."""

    parameters: Parameters
    key_switch: KeySwitchKey
    bootstrap: BootstrapKey


def generate_client(source: Source, parameters: Parameters) -> ClientKey:
    """Uniform binary keys."""
    shape = (parameters.glwe_dimension, parameters.polynomial_size)
    # The order of the draws is part of the key: tests and benchmarks make it again from a seed.
    small = binary_key(source, parameters.lwe_dimension)
    return ClientKey(parameters, small, binary_key(source, parameters.big_dimension).reshape(shape))


def generate_server(source: Source, client: ClientKey) -> ServerKey:
    """The keyswitch and bootstrap keys that belong to a client key."""
    parameters = client.parameters
    # The loop closes: a bootstrap's result is under the big key, the keyswitch brings it to the small one,
    # whose bits the bootstrapping key encrypts under the big one (circular, as in all of TFHE).
    switching = key_switch.generate(source, parameters, client.big, client.small)
    rotation = blind_rotation.generate(source, parameters, client.small, client.glwe)
    return ServerKey(parameters, switching, rotation)
