"""Authentication: from a bearer token to a principal, anew for each request.

Nothing about a principal is kept between requests, so a revoked or expired token stops working with
the next one, also inside a session that was opened before. A session belongs to the principal that
opened it. The token itself goes no further than this module.
"""

from __future__ import annotations

from typing import Protocol

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from pydantic import AnyHttpUrl

from server.principals import Principal, Role

RESOURCE = "http://kernel-assay.localhost/mcp"
"""The audience of our own tokens: a name, not an address. It is never fetched."""


class Authenticator(Protocol):
    """What can tell whose token it is."""

    def authenticate(self, token: str) -> Principal | None:
        """Return the token's principal, or None if it may not connect."""
        ...


class Verifier(TokenVerifier):
    """The SDK's view of our principals."""

    def __init__(self, principals: Authenticator) -> None:
        self._principals = principals

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return who a token stands for, without the token."""
        principal = self._principals.authenticate(token)
        if principal is None:
            return None
        return AccessToken(
            token="",
            client_id=principal.name,
            subject=principal.name,
            scopes=[principal.role],
            resource=RESOURCE,
        )


def auth_settings() -> AuthSettings:
    """Tokens must be ours: issued for this resource."""
    return AuthSettings(
        issuer_url=AnyHttpUrl(RESOURCE),
        resource_server_url=AnyHttpUrl(RESOURCE),
        validate_token_resource=True,
    )


def principal_of(token: AccessToken | None) -> Principal | None:
    """The principal behind a verified token."""
    if token is None or token.subject is None or len(token.scopes) != 1:
        return None
    return Principal(token.subject, Role(token.scopes[0]))


def current_principal() -> Principal | None:
    """Who sent the request that this task serves; None outside of HTTP."""
    return principal_of(get_access_token())
