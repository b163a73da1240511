import uuid
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from worker_process import Deployment

from streams.devnet.stack import Stack


@pytest.fixture
async def deployment(stack: Stack, tmp_path: Path) -> AsyncGenerator[Deployment]:
    made = Deployment(stack, f"t{uuid.uuid4().hex[:12]}.", tmp_path)
    await made.prepare()
    yield made
    await made.close()
