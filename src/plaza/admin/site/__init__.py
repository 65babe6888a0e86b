"""The site itself, at /admin.

gate     one ASGI application for everything below /admin: visits, CSRF, limits, headers, and pages for what goes wrong
pages    the few pages outside of the library's: the way in, and problems
library  starlette-admin: lists, rows and actions over the views that contexts declare
"""

from plaza.admin.site.gate import admin_site

__all__ = ["admin_site"]
