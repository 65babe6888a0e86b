from plaza.admin.service.browsing import BadView, BrowsingService, filters_of, options_of
from plaza.admin.service.operations import RETRY_JOB, OperationsService
from plaza.admin.service.visits import VisitService

__all__ = [
    "RETRY_JOB",
    "BadView",
    "BrowsingService",
    "OperationsService",
    "VisitService",
    "filters_of",
    "options_of",
]
