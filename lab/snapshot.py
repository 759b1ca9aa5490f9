"""An app with v1 live, put back in seconds: the scenarios that begin with it provision each host once.

A snapshot lies on its host. It fits as long as nothing has changed that playbooks/site.yml made the app from.
"""

from lab import inventory, paths, registry, releases
from lab.images import content_hash, image_id
from lab.removal import remove
from lab.secret import password
from lab.steps import step
from lab.story import App

TAG = "v1"
_FOLDER = "/var/lib/lab"
_SAVE = """
set -eu
app=$1 key=$2 folder=$3/$1
docker ps --quiet --filter "label=fairlead.app=$app" | xargs --no-run-if-empty docker stop >/dev/null
docker compose --progress quiet --project-name "$app-data" stop
rm -rf "$folder"
mkdir -p -m 0700 "$folder/volumes"
volumes() { docker volume ls --quiet --filter "label=$1"; }
for volume in $(volumes "com.docker.compose.project=$app-data"; volumes "fairlead.app=$app"); do
  tar --create --file "$folder/volumes/$volume" --directory "$(docker volume inspect --format '{{.Mountpoint}}' "$volume")" .
done
cd /
# --one-file-system: the directory of a release's socket is mounted, and empty when it does not run.
tar --create --file "$folder/files" --one-file-system "opt/fairlead/$app" "var/lib/fairlead/$app" \
  etc/fairlead/mounts/"$app"-r*.fstab etc/systemd/system/fairlead-*-"$app".*
printf %s "$key" >"$folder/key"
"""
_RESTORE = r"""
set -eu
app=$1 folder=$2/$1
tar --extract --same-permissions --file "$folder/files" --directory /
for entry in /etc/fairlead/mounts/"$app"-r*.fstab; do mount --all --fstab "$entry"; done
compose() { directory=$1; shift; docker compose --progress quiet --file "$directory/compose.yaml" --project-directory "$directory" "$@"; }
data=/opt/fairlead/$app/data
compose "$data" --project-name "$app-data" create
for archive in "$folder"/volumes/*; do
  place=$(docker volume inspect --format '{{.Mountpoint}}' "${archive##*/}")
  find "$place" -mindepth 1 -delete
  tar --extract --same-permissions --file "$archive" --directory "$place"
done
compose "$data" --project-name "$app-data" up --detach --wait
release=$(cat "/var/lib/fairlead/$app/route")
image=$(sed -n 's/^FAIRLEAD_IMAGE="\(.*\)"$/\1/p' "/opt/fairlead/$app/releases/$release/.env")
if ! docker image inspect "$image" >/dev/null 2>&1; then  # a scenario had it removed; its layers are other images' as well
  export DOCKER_CONFIG=/run/lab-registry
  docker login --username "$3" --password-stdin "${image%%/*}" >/dev/null 2>&1
  docker pull --quiet "$image" >/dev/null
  rm -r "$DOCKER_CONFIG"
  unset DOCKER_CONFIG
fi
compose "/opt/fairlead/$app/releases/$release" --project-name "$app-$release" up --detach --pull never --wait api
container=$(docker ps --quiet --no-trunc --filter "label=fairlead.app=$app")
docker update --restart unless-stopped "$container" >/dev/null
python3 - "/opt/fairlead/$app/ledger.json" "$container" <<'END'
import hashlib, json, pathlib, sys
ledger = json.loads(pathlib.Path(sys.argv[1]).read_text())
ledger.pop("checksum")
ledger["releases"][-1]["container"] = sys.argv[2]  # it was made anew
ledger["checksum"] = hashlib.sha256(json.dumps(ledger, sort_keys=True).encode()).hexdigest()
pathlib.Path(sys.argv[1]).write_text(json.dumps(ledger, indent=2, sort_keys=True))
END
systemctl daemon-reload
for unit in /etc/systemd/system/fairlead-*-"$app".timer "/etc/systemd/system/fairlead-metadata-$app.service"; do
  systemctl enable --quiet --now "${unit##*/}"
done
"""


def have_live(app: App) -> None:
    """Have `TAG` of the app live on its host as its first release, whatever was there of the app before.

    Raises:
        AssertionError: provisioning, the deploy or a command on the host failed.
    """
    key = _key(app)
    remove(app)
    fits = app.host.run(["cat", f"{_FOLDER}/{app.name}/key"]).stdout == key
    # A scenario that prunes takes the network with it, and provisioning wrote rules for that very one.
    if not fits or app.host.run(["docker", "network", "inspect", app.name]).returncode:
        with step(f"provision {app.host.name} and deploy {TAG}"):
            app.play("site", image_tag=TAG).succeeded()
        app.on_host("sh", "-c", _SAVE, "sh", app.name, key, _FOLDER)
        remove(app)
    words = ["sh", "-c", _RESTORE, "sh", app.name, _FOLDER, registry.USER]
    done = app.host.run(words, stdin=password(registry.PASSWORD_FILE))
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def _key(app: App) -> str:
    """Return what stands for everything that the app on its host is made from."""
    image = next(release.image for release in releases.RELEASES if (release.service, release.tag) == ("shop", TAG))
    sources = [paths.REPOSITORY / folder for folder in ("playbooks", "plugins", "roles")]
    return content_hash([app.host.host_key(), image_id(image)], [*sources, inventory.folder_of(app.host.name)])
