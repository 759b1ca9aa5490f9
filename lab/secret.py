"""Passwords and keys of the lab: made once, kept under .lab with mode 0600."""

import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab import paths


def password(name: str) -> str:
    """Return the password kept as `.lab/<name>`, made at the first call."""
    file = paths.STATE / name
    if not file.exists():
        paths.write(file, secrets.token_urlsafe(24), 0o600)
    return file.read_text()


def ssh_key(name: str) -> str:
    """Return the public half, one line, of the SSH key `.lab/<name>`, made at the first call with its `.pub` file."""
    file = paths.STATE / name
    public = file.with_name(f"{file.name}.pub")
    if not (file.exists() and public.exists()):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
        line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        paths.write(file, private, 0o600)
        paths.write(public, line + b" fairlead-lab\n")
    return public.read_text().strip()
