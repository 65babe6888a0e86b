"""What staff may be allowed in chat."""

from __future__ import annotations

from plaza.core.http import Permission

CONVERSATIONS_READ = Permission(
    "conversations.read", "See which conversations there are, without titles and messages", ("manager", "support")
)
REPORTS_READ = Permission("reports.read", "See what people report, with the reported texts", ("manager", "support"))
REPORTS_RESOLVE = Permission(
    "reports.resolve", "Close reports, and delete the messages that they are about", ("manager", "support")
)

PERMISSIONS = (CONVERSATIONS_READ, REPORTS_READ, REPORTS_RESOLVE)
