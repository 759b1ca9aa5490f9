# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names in PostgreSQL that the controller checks and hosts use."""

from __future__ import annotations

SUPERUSER = "postgres"
# Made by provisioning: a member of the role that owns the schema, who sees all rows.
READER = "fairlead_reader"
# Where a program of PostgreSQL finds what it must know of a database elsewhere, in its container.
ELSEWHERE = "/run/fairlead"
