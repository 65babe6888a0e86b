from __future__ import annotations

from plaza.audit.service import ChainService
from plaza.core.jobs import cron
from plaza.core.result import ServiceResult


@cron(second={0, 15, 30, 45}, outside=True)  # for its steps: a backlog is sealed in many transactions
async def seal(chain: ChainService) -> ServiceResult[int]:
    return await chain.seal_all()
