from plaza.admin.service.browsing import BadView, BrowsingService, filters_of, options_of
from plaza.admin.service.operations import JOBS_READ, JOBS_RETRY, OperationsService
from plaza.admin.service.visits import VisitService

__all__ = [
    "JOBS_READ",
    "JOBS_RETRY",
    "BadView",
    "BrowsingService",
    "OperationsService",
    "VisitService",
    "filters_of",
    "options_of",
]
