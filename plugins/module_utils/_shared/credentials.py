# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Environment variables that look like credentials."""

from __future__ import annotations

import re
from typing import List, Mapping

# Words of a name. PGPASSWORD and AUTHTOKEN are such words as well.
_PASSWORD = re.compile(r"PASS|PWD|\w*(PASSWORD|PASSWD|PASSPHRASE)S?")
_SECRET = re.compile(r"\w*(APIKEY|CREDENTIAL|SECRET|SECRETKEY|TOKEN)S?")
# The last word, unless an open one is before it.
_KEY = re.compile(r"KEYS?|PEPPER|SALT")
_OPEN = re.compile(r"CACHE|FOREIGN|PARTITION|PRIMARY|PUB|PUBLIC|PUBLISHABLE|ROUTING|SITE|SORT")
# The last word of a name that says something about a credential, or where it is.
_ABOUT = re.compile(
    r"AGE|ALG|ALGORITHM|AUDIENCE|BACKEND|BYTES|COLUMN|COOKIE|COUNT|DAYS|DIR|ENABLED|ENDPOINT|ENTROPY|EXPIRATION|EXPIRES?|EXPIRY|FIELD|FILE"
    r"|FORMAT|HASHER|HEADER|HOST|HOURS|ID|ISSUER|LENGTH|LIFETIME|LIMIT|LOCATION|MANAGER|MAX|MIN|MINUTES|MODE|NAME|PATH|POLICY|PORT|PREFIX"
    r"|PROVIDER|REF|REGION|REQUIRED|RETENTION|ROTATION|ROUNDS|SCHEME|SECONDS|SIZE|STORE|STRATEGY|SUFFIX|TIMEOUT|TTL|TYPE|URI|URL|USER"
    r"|VALIDATORS|VERSION"
)
_IN_VALUES = (
    # A URL with a password, also without a user, but not one with a port and an @ further on.
    re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/?#@:]*:(?!\d+[/?#])[^\s@]+@", re.IGNORECASE),
    # Tokens whose issuer gives them a form of their own.
    re.compile(r"(?<![A-Za-z0-9])(sk-[A-Za-z0-9_-]{16,}|[rs]k_(live|test)_\w{8,}|gh[oprsu]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,})"),
    re.compile(r"(?<![A-Za-z0-9])(xox[abeprs]-[\w-]{10,}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+)"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    # What libpq and ADO take in place of a URL.
    re.compile(r"(?:^|[\s;?&])(?:password|passwd|pwd)=[^\s;&]+", re.IGNORECASE),
)
# A path, the address of something (one with a password in it was found before), or a reference to a store.
_REFERENCE = re.compile(r"[./~][^\s]*|[a-z][a-z0-9+.-]*://\S*|(arn|vault|secret|ssm|op):\S*", re.IGNORECASE)
_NUMBER_OR_WORD = re.compile(r"-?\d+(\.\d+)?|true|false|yes|no|on|off|none|null|", re.IGNORECASE)


def looks_secret(name: str, value: object) -> bool:
    """Tell whether an environment variable's name or value is that of a credential."""
    text = "" if value is None else str(value).strip()
    if any(pattern.search(text) for pattern in _IN_VALUES):
        return True
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).upper().split("_")
    if _ABOUT.fullmatch(words[-1]) or _REFERENCE.fullmatch(text) or not text:
        return False
    if any(map(_PASSWORD.fullmatch, words)):
        return not re.fullmatch(r"true|false", text, re.IGNORECASE)
    is_key = len(words) > 1 and _KEY.fullmatch(words[-1]) and not any(map(_OPEN.fullmatch, words))
    return bool(is_key or any(map(_SECRET.fullmatch, words))) and not _NUMBER_OR_WORD.fullmatch(text)


def found_in(variables: Mapping[str, object]) -> List[str]:
    """Return the names of variables that look like credentials."""
    return sorted(str(name) for name, value in variables.items() if looks_secret(str(name), value))
