"""The staff site at /admin, over the views that contexts declare (`core.admin`).

Owns the visits of staff, and what staff do with core's own tables. Invariants:
- nothing below /admin but the way in and static files is answered without the visit of a staff member who proved two factors;
- a visit ends with the identity session that it stands on, within a second, and after half an hour without a request;
- no row is written but by commands of services, which get the staff member as their actor;
- no secret is shown: views are refused at start that select one.

Tells and hears no domain events.
"""

from plaza.admin.site import admin_site

__all__ = ["admin_site"]
