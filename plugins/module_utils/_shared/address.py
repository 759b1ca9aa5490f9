# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The address of a database that is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple, Union
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.postgres import ELSEWHERE

SCHEMES = ("postgresql", "postgres")
EXAMPLE = "postgresql://role:password@host:5432/name"
DEFAULT_PORT = 5432
ENCODE = "write special characters percent-encoded (%40 for @, %2F for /, %23 for #, %3F for ?)"
# Without a word about it libpq would go on in plain text where the server knows no TLS.
DEFAULT_MODE = "verify-full"
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
PARAMETERS = ("sslmode", "channel_binding", "connect_timeout", "gssencmode", "target_session_attrs")
PROVING_MODES = ("verify-ca", "verify-full")


@dataclass(frozen=True)
class Address:
    """Where a database is and who logs in to it.

    Args:
        parameters: further ones of libpq, by name.
    """

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)
    parameters: Dict[str, str] = field(default_factory=dict)

    @property
    def proves_itself(self) -> bool:
        """Whether the server must show a certificate of a known authority."""
        return self.parameters["sslmode"] in PROVING_MODES

    def service(self) -> str:
        """Return libpq's service file, with the section ``fairlead``."""
        authority = {"sslrootcert": f"{ELSEWHERE}/root.crt"} if self.proves_itself else {}
        values = {
            "host": self.host,
            "port": str(self.port),
            "dbname": self.name,
            "user": self.user,
            "password": self.password,
            **self.parameters,
            **authority,
        }
        return "[fairlead]\n" + "".join(f"{name}={value}\n" for name, value in values.items())


def parse(url: str) -> Address:
    """Return what an address says.

    Raises:
        ValueError: with what is wrong with it, all of it, and nothing of the address itself: it may be part of the password.
    """
    parts, problems = _split(url)
    values = {name: unquote(value) for name, value in _values(parts).items()}
    missing = [name for name, value in values.items() if not value]
    if missing:
        problems.append(f"it has no {', no '.join(missing)}: write it as {EXAMPLE}; {ENCODE}")
    # A service file has no way to quote.
    unfit = [name for name, value in values.items() if value != value.strip() or any(ord(character) < 32 for character in value)]
    problems += [f"its {name} begins or ends with a space, or has a control character in it" for name in unfit]
    parameters, wrong = _parameters(parts.query)
    port, port_problems = _port(parts)
    problems += [*wrong, *port_problems]
    if problems:
        raise ValueError("; ".join(problems))
    return Address(values["host"], port, values["database"], values["role"], values["password"], parameters)


def problem(url: object) -> Optional[str]:
    """Return what is wrong with an address, or None."""
    if not isinstance(url, str):
        return "it is not text"
    if not url:
        return None  # as if it were not set
    try:
        parse(url)
    except ValueError as error:
        return str(error)
    return None


def _split(url: str) -> Tuple[SplitResult, List[str]]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"it is not an address such as {EXAMPLE}") from None
    problems = []
    if parts.scheme not in SCHEMES:
        problems.append("it does not begin with postgresql://")
    if parts.fragment or "#" in url:
        problems.append(f"there is a # in it: {ENCODE}")
    return parts, problems


def _values(parts: SplitResult) -> Dict[str, str]:
    return {
        "role": parts.username or "",
        "password": parts.password or "",
        "host": parts.hostname or "",
        "database": parts.path[1:],
    }


def _port(parts: SplitResult) -> Tuple[int, List[str]]:
    try:
        port: Union[int, None] = parts.port
    except ValueError:
        port = 0
    if port == 0:
        return 0, [f"its port is no number from 1 to 65535, or the password has an unencoded / in it: {ENCODE}"]
    return port or DEFAULT_PORT, []


def _parameters(query: str) -> Tuple[Dict[str, str], List[str]]:
    parameters = {"sslmode": DEFAULT_MODE, **dict(parse_qsl(query, keep_blank_values=True))}
    unknown = sorted(set(parameters) - set(PARAMETERS))
    problems = [f"only these parameters can be in it: {', '.join(PARAMETERS)} (the authority is app_database_ca)"] if unknown else []
    if parameters["sslmode"] not in MODES:
        problems.append(f"its sslmode is none of {', '.join(MODES)}")
    if any(value != value.strip() or "\n" in value for value in parameters.values()):
        problems.append("one of its parameters has a space or a line break at its end")
    return parameters, problems
