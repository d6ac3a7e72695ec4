"""Where tables are printed: standard output, in colour at a terminal unless NO_COLOR is set."""

from rich.console import Console


def console() -> Console:
    """Gives the console. What is no terminal has room for any line."""
    found = Console()
    return found if found.is_terminal else Console(width=max(found.width, 160))
