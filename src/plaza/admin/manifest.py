from __future__ import annotations

from plaza.admin import controllers, views
from plaza.admin.gateways import VisitStore
from plaza.admin.schemas import AdminSettings
from plaza.admin.service import BrowsingService, OperationsService, VisitService
from plaza.core.composition import Context
from plaza.core.jobs import JobService

context = Context(
    name="admin",
    settings=AdminSettings,
    gateways={VisitStore: VisitStore, JobService: JobService},
    services=(VisitService, OperationsService, BrowsingService),
    controllers=(controllers.EntranceController,),
    declares=(views.READ_JOBS, views.RETRY_JOBS, views.JOBS, views.DEAD_JOBS),
)
