"""Fixtures of the FHE engines' unit tests."""

from hypothesis import settings

# The machine may be busy: how long an example takes says nothing about it.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
