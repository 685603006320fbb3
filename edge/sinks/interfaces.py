"""Addresses by which other machines may reach this one."""

from __future__ import annotations

import fcntl
import re
import socket
import struct
from pathlib import Path

SIOCGIFADDR = 0x8915
"""Linux's request for the IPv4 address of an interface."""
IF_INET6 = Path("/proc/net/if_inet6")
LOCAL = re.compile("lo|(docker|br-|virbr).*")
"""Names of interfaces that reach only this machine, its containers and its virtual machines."""


def addresses_to_open(host: str) -> list[str]:
    """The host; for 0.0.0.0 or ::, which stand for every address, those of the network interfaces."""
    if host not in ("0.0.0.0", "::"):
        return [host]
    names = [name for _, name in socket.if_nameindex() if not LOCAL.fullmatch(name)]
    addresses = [address for name in names if (address := _ipv4(name)) is not None]
    if host == "::":
        lines = map(str.split, IF_INET6.read_text(encoding="ascii").splitlines())
        # Scope 00 is global; a browser cannot open a link-local address.
        found = [address for address, _, _, scope, _, name in lines if name in names and scope == "00"]
        addresses += [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address)) for address in found]
    return addresses or ["localhost"]


def _ipv4(interface: str) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, SIOCGIFADDR, struct.pack("256s", interface.encode()))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
