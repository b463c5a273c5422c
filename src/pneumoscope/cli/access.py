"""Who may reach a server that the command line starts."""

import ipaddress
import os

from pneumoscope.errors import UsageError

__all__ = ["TOKEN_VARIABLE", "access_token", "is_loopback"]

TOKEN_VARIABLE = "PNEUMOSCOPE_TOKEN"
_SHORTEST_TOKEN = 16


def access_token(host: str, without_token: bool) -> str | None:
    """The token of the environment, which an address that other machines reach must have.

    Args:
        host: address to listen on.
        without_token: the user insists that everybody may come in.

    Raises:
        UsageError: the token is weak, or there is none and other machines are let in.
    """
    token = os.environ.get(TOKEN_VARIABLE) or None
    if token is not None and (len(token) < _SHORTEST_TOKEN or not token.isascii() or token != token.strip()):
        raise UsageError(
            f"{TOKEN_VARIABLE} must be at least {_SHORTEST_TOKEN} characters of ASCII without spaces around "
            'them; make one with: python3 -c "import secrets; print(secrets.token_urlsafe())"'
        )
    if token is None and not without_token and not is_loopback(host):
        raise UsageError(
            f"{host} lets other machines in: set {TOKEN_VARIABLE}, or say --without-token if that is meant"
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
