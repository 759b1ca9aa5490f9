"""Where the load goes, and the rule that it stays on this machine or on its own Docker networks."""

import ipaddress
import json
import re
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Docker's own names: any other bridge may have a physical card in it and so lead to somebody else's machines.
DOCKER_BRIDGE = re.compile(r"docker0|br-[0-9a-f]{12}")


class BadTarget(ValueError):
    """The target cannot or must not be probed; the text says why and what to do."""


def parse_endpoint(text: str) -> tuple[Address, int]:
    """Split `IP:PORT` (`[IP]:PORT` for IPv6). Raises BadTarget when it is anything else, such as a host name."""
    address, _, port = text.rpartition(":")
    try:
        parsed = ipaddress.ip_address(address.strip("[]"))
        number = int(port)
    except ValueError as error:
        raise BadTarget(f"{text!r} is not IP:PORT, for example 127.0.0.1:443 (no host names)") from error
    if not 0 < number < 65536:
        raise BadTarget(f"port {number} is not between 1 and 65535")
    return parsed, number


def docker_networks() -> list[Network]:
    """Private networks of Docker bridges on which this machine has an address."""
    command = ["ip", "-j", "addr", "show", "type", "bridge"]
    try:
        output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise BadTarget(f"cannot read this machine's networks with '{' '.join(command)}': {error}") from error
    links = [link for link in json.loads(output) if DOCKER_BRIDGE.fullmatch(link.get("ifname", ""))]
    networks = [ipaddress.ip_network(f"{info['local']}/{info['prefixlen']}", strict=False) for link in links for info in link["addr_info"]]
    return [network for network in networks if network.is_private and not network.is_link_local]


def require_local(address: Address) -> None:
    """Raise BadTarget unless `address` is loopback or on one of this machine's Docker bridge networks."""
    if address.is_loopback:
        return
    networks = docker_networks()
    if not any(address in network for network in networks):
        known = ", ".join(map(str, networks)) or "none"
        raise BadTarget(
            f"{address} is refused: load goes only to this machine or the lab's own hosts "
            f"(loopback, or a local Docker bridge network: {known})"
        )


@dataclass(frozen=True, slots=True)
class Target:
    """An HTTPS endpoint: address and port to connect to, name to ask for, CA file that vouches for it."""

    address: str
    port: int
    host: str
    http1: ssl.SSLContext
    http2: ssl.SSLContext

    @classmethod
    def checked(cls, connect: str, host: str, ca: Path) -> "Target":
        """Build a target from `IP:PORT`, host name and CA file. Raises BadTarget when it may not be probed."""
        address, port = parse_endpoint(connect)
        require_local(address)
        return cls(str(address), port, host, _context(ca, "http/1.1"), _context(ca, "h2"))


def _context(ca: Path, protocol: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise BadTarget(f"cannot use {ca} as CA certificates: {error}") from error
    context.set_alpn_protocols([protocol])
    return context
