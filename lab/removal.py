"""An app taken off a lab host, so that a story can begin at its beginning."""

from lab.story import App

_SCRIPT = """
set -eu
command -v docker >/dev/null || exit 0
docker ps --all --quiet --filter "label=fairlead.app=$1" | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
docker compose --project-name "$1-data" down --volumes --timeout 5 >/dev/null 2>&1
docker rm --force --volumes "$1-data-postgres-upgrade" >/dev/null 2>&1
# Volumes of an earlier major, which no Compose file names any more.
docker volume ls --quiet --filter "label=com.docker.compose.project=$1-data" | xargs --no-run-if-empty docker volume rm >/dev/null
docker volume ls --quiet --filter "label=fairlead.app=$1" | xargs --no-run-if-empty docker volume rm >/dev/null
for job in backup drill; do
  units=fairlead-$job-$1
  [ -e "/etc/systemd/system/$units.timer" ] || continue
  systemctl disable --quiet --now "$units.timer"
  systemctl stop "$units.service"
  rm "/etc/systemd/system/$units.service" "/etc/systemd/system/$units.timer"
  systemctl daemon-reload
done
for entry in /etc/fairlead/mounts/"$1"-r*.fstab; do
  [ -e "$entry" ] || continue
  directory=$(cut -d' ' -f2 "$entry")
  if mountpoint --quiet "$directory"; then umount --lazy "$directory"; fi
  rm "$entry"
done
metadata=fairlead-metadata-$1.service
if [ -e "/etc/systemd/system/$metadata" ]; then
  systemctl disable --quiet --now "$metadata"
  rm "/etc/systemd/system/$metadata"
  systemctl daemon-reload
fi
rm -rf "/opt/fairlead/$1" "/var/lib/fairlead/$1"
"""


def remove(app: App) -> None:
    """Remove the app's releases, data and files; the engine, the proxy and the app's site there stay.

    There is nothing to do where the host does not run.

    Raises:
        AssertionError: it failed; the message has the host's words.
    """
    if not app.host.is_running:
        return
    app.on_host("sh", "-c", _SCRIPT, "sh", app.name)
