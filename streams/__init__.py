"""cipherstream: an fhevm coprocessor as a Kafka stream-processing topology."""

__version__ = "0.1.0"
