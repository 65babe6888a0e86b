"""Every context, the lowest layer first. A new context is a line here and a line in pyproject.toml's layers."""

from plaza.admin.manifest import context as admin
from plaza.audit.manifest import context as audit
from plaza.chat.manifest import context as chat
from plaza.core.composition import Context
from plaza.core.db import Base
from plaza.identity.manifest import context as identity
from plaza.notifications.manifest import context as notifications

CONTEXTS: tuple[Context, ...] = (notifications, audit, identity, chat, admin)

metadata = Base.metadata  # complete, since the manifests above import every model
