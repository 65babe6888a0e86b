from __future__ import annotations

from plaza.audit import admin, controllers, jobs
from plaza.audit.service import AuditService, ChainService
from plaza.core.composition import Context

context = Context(
    name="audit",
    services=(AuditService, ChainService),
    controllers=(controllers.AuditController,),
    crons=(jobs.seal,),
    personal_data=AuditService,
    declares=(controllers.READ, admin.ENTRIES),
)
