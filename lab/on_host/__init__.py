"""Programs that tests run on a lab host, by the host's own Python: they need nothing but its standard library."""

from pathlib import Path


def program(name: str) -> list[str]:
    """Return the words that run one of these programs; its arguments come after them."""
    return ["python3", "-c", (Path(__file__).parent / f"{name}.py").read_text()]
