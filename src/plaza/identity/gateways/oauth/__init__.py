"""Outside accounts: the providers that say who somebody is, spoken to over HTTP and trusted for nothing that is not verified.

http          JSON over HTTPS: bounded in time and size, no redirects
key_sets      the keys that providers publish
signatures    JSON Web Tokens against those keys
openid        any OpenID provider; Google and Apple are such
github        OAuth without OpenID
providers     all that are configured, by name
issuers       access tokens of those who keep sessions themselves
store         logins under way, in Redis
"""

from plaza.identity.gateways.oauth.clients import CodeRequest, OutsideProvider
from plaza.identity.gateways.oauth.http import OutsideHttp
from plaza.identity.gateways.oauth.issuers import OutsideIssuers
from plaza.identity.gateways.oauth.key_sets import KeySets
from plaza.identity.gateways.oauth.providers import OutsideProviders
from plaza.identity.gateways.oauth.store import OAuthStore

__all__ = [
    "CodeRequest",
    "KeySets",
    "OAuthStore",
    "OutsideHttp",
    "OutsideIssuers",
    "OutsideProvider",
    "OutsideProviders",
]
