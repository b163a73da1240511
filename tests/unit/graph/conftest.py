"""A fresh world per test."""

import pytest
from graph_world import GraphWorld


@pytest.fixture
async def world() -> GraphWorld:
    return GraphWorld()
