"""Values of a role's own files, as Ansible treats them."""

from typing import Any

from ansible.template import trust_as_template


def trusted(value: Any) -> Any:
    """Let Ansible render what the role's own files say."""
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value
