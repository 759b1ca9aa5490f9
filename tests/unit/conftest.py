"""Makes `ansible_collections.fairlead.fastapi` importable, the way Ansible itself imports collections."""

from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

ROOT = Path(__file__).parents[2]

init_plugin_loader([str(ROOT / ".ansible" / "collections")])
