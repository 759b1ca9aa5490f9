"""The lab's command line: `python -m lab --help`."""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from lab import authority, check, containers, external_database, hosts, images, inventory, network, paths, registry, releases
from lab.docker import LABEL, LabError, docker
from lab.removal import remove
from lab.snapshot import have_live
from lab.steps import note, step
from lab.story import App

HOSTS = ("vps1", "vps2")


def up(names: Sequence[str]) -> None:
    """Have everything: images, authority, registry, mirror, hosts, inventories, releases."""
    images.ensure_all()
    authority.ensure()
    network.ensure()
    registry.ensure()
    registry.fill_mirror()
    hosts.ensure(names)
    for name in names:
        inventory.write([name], inventory.folder_of(name))
    releases.ensure()


def down() -> None:
    """Remove hosts, registries, their volumes and the network; images and .lab stay."""
    for host in hosts.existing():
        with step(f"remove {host.name}"):
            host.discard()
    external_database.down()
    for server in (registry.REGISTRY, registry.MIRROR):
        containers.remove(server.container, server.volume)
    network.remove()


def status() -> None:
    """Print one line for each container of the lab."""
    columns = "table {{.Names}}\t{{.State}}\t{{.Status}}\t{{.Image}}"
    print(docker("ps", "--all", "--filter", f"label={LABEL}", "--format", columns))


def list_hosts() -> None:
    """Print name, address, state and login of each host."""
    for host in hosts.existing():
        state = "running" if host.is_running else "stopped"
        print(host.name, host.address, state, f"ssh {' '.join(host.ssh_args)}", sep="\t")


def reset(name: str) -> None:
    """Replace one host with a bare one."""
    host = hosts.Host(name)
    with step(f"reset {name}"):
        host.reset()
    hosts.write_known_hosts()


def ensure_images(checked: bool) -> None:
    """Have all images; with `checked`, also try that they keep the official images' contracts."""
    images.ensure_all()
    if checked:
        check.check_all()


def certificate(domains: Sequence[str], days: float, folder: Path) -> None:
    """Write a server certificate of the lab's authority for these names, and its key."""
    authority.ensure()
    pair = authority.issue(domains, timedelta(days=days))
    paths.write(folder / "tls.key", pair.key, 0o600)
    paths.write(folder / "tls.crt", pair.certificate)


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    top = argparse.ArgumentParser(prog="python -m lab", description="Stand-in machines for demo, tests and benchmarks.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser("up", help="have everything; quick when it is there")
    command.add_argument("--hosts", nargs="+", default=HOSTS, metavar="HOST", help="default: vps1 vps2")
    commands.add_parser("down", help="remove hosts, registries, volumes and network; images stay")
    commands.add_parser("status", help="show the containers")
    commands.add_parser("hosts", help="show the hosts and how to log in")
    command = commands.add_parser("reset", help="replace a host with a bare one")
    command.add_argument("host", nargs="?", default=hosts.DEFAULT, help="default: %(default)s")
    command = commands.add_parser("discard", help="take a host away")
    command.add_argument("host")
    command = commands.add_parser("remove", help="take apps off a host; engine and proxy stay")
    command.add_argument("apps", nargs="+", metavar="APP")
    command.add_argument("--host", default=hosts.DEFAULT, help="default: %(default)s")
    command = commands.add_parser("live", help="have v1 of an app live, as its first release; quick when that was so before")
    command.add_argument("app")
    command.add_argument("--host", default=hosts.DEFAULT, help="default: %(default)s")
    command = commands.add_parser("releases", help="build and push releases")
    command.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    command = commands.add_parser("images", help="have the images")
    command.add_argument("--check", action="store_true", help="also try that they keep the official images' contracts")
    command = commands.add_parser("certificate", help="issue a server certificate: tls.crt and tls.key in a folder")
    command.add_argument("domain")
    command.add_argument("--days", type=float, default=90, help="how long it is valid from now, negative for an expired one; default: 90")
    command.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    command = commands.add_parser("inventory", help="write an inventory of these hosts, such as a fleet")
    command.add_argument("hosts", nargs="+", metavar="HOST")
    command.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    begin = time.monotonic()
    try:
        match options.command:
            case "up":
                up(options.hosts)
                note(f"up after {time.monotonic() - begin:.1f} s")
            case "down":
                down()
            case "status":
                status()
            case "hosts":
                list_hosts()
            case "reset":
                reset(options.host)
            case "discard":
                hosts.Host(options.host).discard()
            case "remove":
                for app in options.apps:
                    remove(App(app, options.host))
            case "live":
                have_live(App(options.app, options.host))
            case "releases":
                releases.ensure(options.names)
            case "images":
                ensure_images(options.check)
            case "certificate":
                certificate([options.domain], options.days, options.to)
            case "inventory":
                inventory.write(options.hosts, options.to)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
