"""The lab's Docker network; fixed addresses, so that a restarted host is where the inventory says."""

from ipaddress import IPv4Address, IPv4Network

from lab.docker import LABEL, LabError, attempt, docker, inspect

NAME = "fairlead-lab"
SUBNET = IPv4Network("10.213.7.0/24")
REGISTRY = SUBNET[2]
MIRROR = SUBNET[3]


def host_address(number: int) -> IPv4Address:
    """Return the address of `vps<number>`, 1 to 99."""
    return SUBNET[10 + number]


def ensure() -> None:
    """Have the network.

    Raises:
        LabError: another network of this machine uses the same addresses.
    """
    if inspect("network", NAME) is not None:
        return
    done = attempt(["docker", "network", "create", "--label", f"{LABEL}=1", "--subnet", str(SUBNET), NAME])
    if done.returncode:
        raise LabError(
            f"network {NAME} ({SUBNET}) cannot be made: {done.stderr.strip()}; remove the network that overlaps, "
            f"or change SUBNET in lab/network.py"
        )


def remove() -> None:
    """Remove the network; its containers must be gone."""
    if inspect("network", NAME) is not None:
        docker("network", "rm", NAME)
