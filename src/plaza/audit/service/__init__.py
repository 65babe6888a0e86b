"""Rules of audit: what is written and read (`entries`), and the chain over it (`chain`)."""

from plaza.audit.service.chain import ChainService
from plaza.audit.service.entries import AuditService, SecretInAudit

__all__ = ["AuditService", "ChainService", "SecretInAudit"]
