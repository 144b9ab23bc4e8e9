"""Addresses that servers listen at."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    Example:
        >>> [is_loopback(one) for one in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "ct.example")]
        [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
