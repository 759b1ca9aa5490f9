"""Programs that tests run in an app's container, as the app's own user: what somebody could who took the app over."""

from pathlib import Path


def program(name: str) -> str:
    """Return the text of one of these programs; `python3 -` in the container reads it, its arguments come after that."""
    return (Path(__file__).parent / f"{name}.py").read_text()
