"""The audit log: who did what to whom, when and from where, and what it was before and after.

Owns entries and the chain over them. Invariants:
- an entry stands if and only if the transaction that it tells of has committed;
- nothing in an entry is ever changed but once each: sealing chains it, erasure takes out what is personal; the database refuses the rest;
- entries are chained without a gap, each over the one before; whoever changes, removes or reorders a sealed one is found by
  `plaza audit verify`, as long as they have not also the operator's secret, or as long as a later head is kept elsewhere;
- erasing a person leaves the chain whole: of the personal half of an entry only a salted digest is chained;
- no secret stands in an entry.

Entries are sealed by a cron, some seconds after their commit, so that commands do not wait for each other at the end of a chain.
It knows no context: whoever does something worth telling calls `AuditService.record` inside their own transaction, or takes
`entry_inserted` into the one statement that it is.
"""

from plaza.audit.repository import entry_inserted
from plaza.audit.schemas import AuditEntry, AuditEntryView, AuditFilter, Broken, Head, Verified
from plaza.audit.service import AuditService, ChainService, SecretInAudit

__all__ = [
    "AuditEntry",
    "AuditEntryView",
    "AuditFilter",
    "AuditService",
    "Broken",
    "ChainService",
    "Head",
    "SecretInAudit",
    "Verified",
    "entry_inserted",
]
