"""What every store promises, by the nouns of its port: the store of each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from spacecloud.model.addresses import PoolAllocator
from spacecloud.store.port import Store
from store_bench import OPENERS, POOLS, Opener


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest) -> Opener:
    return OPENERS[request.param]


@pytest.fixture
async def store(opener: Opener, tmp_path: Path) -> AsyncIterator[Store]:
    async with opener(tmp_path, PoolAllocator(POOLS)) as opened:
        yield opened
