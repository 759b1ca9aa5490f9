#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/release_prepare.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_prepare
short_description: Prepare a release of an app on a host
version_added: 1.0.0
description:
  - Looks whether the host can take a release and what digest the tag means, clears up after a run that died, takes the right to
    release, pulls the image by digest, and writes the release's bundle (Compose file, environment, secrets, settings).
  - Refuses an image that declares a C(VOLUME) which nothing is mounted at, and has the volumes of the release on the host.
  - Then asks the image which migrations it has, and the database which of them it lacks.
  - Nothing that users see changes. When the live release is the same already, and the database fits it, nothing changes at all.
  - The image is asked in a container that has no network and only placeholders for secrets, and that does not run the image's entrypoint,
    so that a plan cannot change anything, whatever the image does. What cannot be known there is reported as the warning C(PLAN_UNKNOWN).
  - In check mode an image that is not on the host is fetched to read its migrations, and removed again.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.begin
  - fairlead.fastapi.stage.finish
attributes:
  diff_mode:
    support: full
    description: Compares with the live release; secrets are shown only as set or changed.
options:
  image:
    description: Image repository, without a tag.
    type: str
    required: true
  tag:
    description: Tag to release. It is resolved to a digest once; only the digest is used from then on.
    type: str
    required: true
  digest:
    description: Digest to release, such as C(sha256:…); the tag is then only a label, and need not exist. Empty for what the tag means.
    type: str
    default: ''
  compose:
    description: The rendered Compose file.
    type: str
    required: true
  environment:
    description: Environment variables of the app.
    type: dict
    default: {}
  secrets:
    description: Secrets of the app by name.
    type: dict
    default: {}
  secrets_as:
    description: Whether the app reads its secrets from files in C(/run/secrets) or from its environment.
    type: str
    choices: [file, environment]
    default: file
  migrate_environment:
    description: Environment variables laid over O(environment) for migrations alone.
    type: dict
    default: {}
  migrate_secrets:
    description: Secrets laid over O(secrets) for migrations alone.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Prepare the release
  fairlead.fastapi.release_prepare:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    image: registry.example.com/acme/shop
    tag: 3f2c1ab
    compose: "{{ lookup('ansible.builtin.template', 'compose.yaml.j2') }}"
    environment:
      LOG_LEVEL: info
    secrets:
      database_password: "{{ vault_database_password }}"
    settings: "{{ settings }}"
"""

RETURN = r"""
then:
  description: The results of the stages that followed in the same call, in order, each with its name in C(stage).
  returned: when O(go_on) is true and there was nothing to decide in between
  type: list
  elements: dict
release:
  description: The release prepared, or the live one when it is the same already.
  returned: success
  type: dict
plan:
  description:
    - What there is to migrate - C(tool), C(heads) of the image, C(revision) of the database, C(fresh) when it has no tables, and
      C(pending), a list of migrations with C(revision), C(down), C(title) and C(sql), which is null where it cannot be known without
      running them.
    - C(unknown) says what is not known, and why. C(due) is whether M(fairlead.fastapi.release_migrate) has anything to run.
  returned: success
  type: dict
unchanged:
  description: Whether the live release is the same already, so that there is nothing to do.
  returned: success
  type: bool
steps:
  description: What was done, in order, with seconds.
  returned: always
  type: list
  elements: dict
code:
  description: Stable failure code.
  returned: failure
  type: str
serving:
  description: The release that users get now.
  returned: failure
  type: str
"""
