"""What identity asks of others, a file per matter.

What it keeps in Redis may be lost, and without Redis whatever needs it refuses: failed logins, socket tickets, logins at providers.
"""

from plaza.identity.gateways.challenges import ChallengeStore
from plaza.identity.gateways.login_failures import LoginFailures
from plaza.identity.gateways.tickets import TicketStore

__all__ = ["ChallengeStore", "LoginFailures", "TicketStore"]
