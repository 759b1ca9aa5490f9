"""The lab's registry (`registry.lab:5000`, with a password) and its Docker Hub mirror (`mirror.lab:5001`, without)."""

import base64
import http.client
import json
import ssl
import tempfile
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from urllib.request import Request, urlopen

from lab import authority, containers, images, network, paths
from lab.docker import LABEL, LabError, docker
from lab.images import image_id
from lab.secret import password
from lab.steps import step

USER = "deploy"
PASSWORD_FILE = "registry_password"
START_SECONDS = 30
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True)
class Server:
    """One registry: its container, name and port on the lab's network, and whether it asks for a password."""

    container: str
    alias: str
    port: int
    address: IPv4Address
    private: bool

    @property
    def host(self) -> str:
        """The name that images carry on the lab's hosts, such as `registry.lab:5000`."""
        return f"{self.alias}:{self.port}"

    @property
    def volume(self) -> str:
        """The volume with its images."""
        return self.container

    def options(self) -> list[str]:
        """Return the options of `docker create`."""
        settings = [f"REGISTRY_HTTP_ADDR=:{self.port}"]
        if self.private:
            settings += ["REGISTRY_AUTH_HTPASSWD_REALM=lab", "REGISTRY_AUTH_HTPASSWD_PATH=/etc/lab/htpasswd"]
        certificate = images.content_hash([], [authority.CERTIFICATE])  # read at start only: a new one, a new container
        return [
            *("--label", f"{LABEL}.certificate={certificate}"),
            *("--network", network.NAME, "--ip", str(self.address), "--network-alias", self.alias),
            *("--publish", f"127.0.0.1::{self.port}"),
            *("--volume", f"{paths.REGISTRY}:/etc/lab:ro", "--volume", f"{self.volume}:/var/lib/registry"),
            *(word for setting in settings for word in ("--env", setting)),
        ]

    def local(self) -> str:
        """Return address and port on this machine's loopback, such as `127.0.0.1:32768`."""
        return docker("port", self.container, f"{self.port}/tcp").splitlines()[0]

    def credentials(self) -> str:
        """Return the value of a basic `Authorization` header, without its scheme."""
        return base64.b64encode(f"{USER}:{password(PASSWORD_FILE)}".encode()).decode()

    def get(self, path: str, accept: str = "*/*") -> http.client.HTTPResponse:
        """Ask the registry's API for `path`, such as `/v2/`.

        Raises:
            OSError: no or no good answer (urllib.error.HTTPError carries its code).
        """
        request = Request(f"https://{self.local()}{path}", headers={"Accept": accept})
        if self.private:
            request.add_header("Authorization", f"Basic {self.credentials()}")
        trust = ssl.create_default_context(cafile=str(paths.CA_CERTIFICATE))
        answer: http.client.HTTPResponse = urlopen(request, timeout=10, context=trust)
        return answer


REGISTRY = Server("fairlead-registry", "registry.lab", 5000, network.REGISTRY, private=True)
MIRROR = Server("fairlead-mirror", "mirror.lab", 5001, network.MIRROR, private=False)


def _write_htpasswd() -> None:
    file = paths.REGISTRY / "htpasswd"
    if not file.exists():
        hashing = ("run", "--rm", "--interactive", "--network=none", images.REGISTRY.name, "htpasswd", "-niB", USER)
        paths.write(file, docker(*hashing, stdin=password(PASSWORD_FILE)).strip() + "\n", 0o600)


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.get("/v2/").close()
            return
        except (OSError, LabError) as error:
            if time.monotonic() > deadline:
                logs = docker("logs", "--tail", "20", server.container)
                raise LabError(f"{server.host} does not answer after {START_SECONDS} s: {error}\n{logs}") from error
            time.sleep(0.1)


def ensure() -> None:
    """Have both servers running and answering."""
    _write_htpasswd()
    for server in (REGISTRY, MIRROR):
        options = server.options()
        if not containers.is_current(server.container, images.REGISTRY.name, options):
            containers.remove(server.container)
            containers.create(server.container, images.REGISTRY.name, options)
        if not containers.is_running(server.container):
            with step(f"{server.host}"):
                docker("start", server.container)
                _wait(server)


def has(server: Server, repository: str, tag: str, image: str) -> bool:
    """Tell whether `repository:tag` on the server is the engine's image with id `image`."""
    try:
        with server.get(f"/v2/{repository}/manifests/{tag}", MANIFEST) as answer:
            manifest = json.load(answer)
            # The id is the configuration's digest, or the manifest's where the engine keeps images in containerd.
            return image in (manifest.get("config", {}).get("digest"), answer.headers["Docker-Content-Digest"])
    except OSError:
        return False


def digest(server: Server, repository: str, tag: str) -> str:
    """Return the digest of what is on the server as `repository:tag`. Raises OSError where nothing is."""
    with server.get(f"/v2/{repository}/manifests/{tag}", MANIFEST) as answer:
        return str(answer.headers["Docker-Content-Digest"])


def push(server: Server, name: str, repository: str, tag: str) -> None:
    """Have the engine's image `name` on the server as `repository:tag`.

    Raises:
        LabError: the push failed.
    """
    if has(server, repository, tag, image_id(name)):
        return
    target = f"{server.local()}/{repository}:{tag}"
    with step(f"push {server.host}/{repository}:{tag}"), tempfile.TemporaryDirectory() as folder:
        login = {"auths": {server.local(): {"auth": server.credentials()}}} if server.private else {}
        paths.write(Path(folder) / "config.json", json.dumps(login), 0o600)  # never in an argument list
        docker("tag", name, target)
        docker("push", "--quiet", target, environment={"DOCKER_CONFIG": folder})
        docker("rmi", target)


def fill_mirror() -> None:
    """Have the images that hosts pull from Docker Hub on the mirror."""
    for name in (images.DEBIAN, images.PYTHON, *(image.name for image in images.SERVICES)):
        repository, _, tag = name.partition(":")
        push(MIRROR, name, repository if "/" in repository else f"library/{repository}", tag)
