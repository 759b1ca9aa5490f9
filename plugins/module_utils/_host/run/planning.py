# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The migrations of a release, planned while the one before serves."""

from __future__ import annotations

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.image import Image
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.plan import Plan, make_plan
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.schema import ALEMBIC, is_script
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle_write import Bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import heads_on_record, known_migrations
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import Snapshot
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import app_volumes


def look_ahead(stage: Stage, host: Snapshot, bundle: Bundle, release: Release) -> Plan:
    """Plan the migrations of a release that there will not be; nothing of it stays on the host."""
    fetched = stage.registry(bundle.image).pull(bundle.digest)
    try:
        require_mapped(host, bundle)
        with bundle.staged(stage.paths, release) as directory:
            image = Image(f"{bundle.app}-{release.id}", directory, release.title, release.image.reference, bundle.settings)
            return planned(stage, image, host.ledger, release)
    finally:
        if fetched:
            docker.remove_image(release.image.reference)


def planned(stage: Stage, image: Image, ledger: Ledger, release: Release) -> Plan:
    """Plan the migrations of a release's image, and warn where it cannot be known what they are."""
    heads = heads_on_record(ledger.releases, release)
    plan = make_plan(image, find_database(stage.paths), known_migrations(ledger.releases), heads)
    if plan.unknown and (stage.check_mode or plan.tool == ALEMBIC or is_script(image.settings["migrate_command"])):
        stage.warnings.append(f"PLAN_UNKNOWN: nobody can tell {plan.unknown}")
    return plan


def require_mapped(host: Snapshot, bundle: Bundle) -> None:
    """Refuse an image that would lose what it writes.

    Raises:
        ReleaseError: VOLUME_UNMAPPED.
    """
    problem = app_volumes.unmapped_problem(bundle.pinned.label, bundle.pinned.reference, bundle.settings, host.container)
    if problem is not None:
        raise problem
