"""Where tables are printed: standard output, in colour at a terminal unless NO_COLOR is set."""

from rich.console import Console


def console() -> Console:
    """Gives the console. What is no terminal has room for any line.

    Texts stand as they are: proxies and people write `[emerg]`, `[/etc]` and `:v2:`, and mean no style by it.
    """
    found = Console(markup=False, emoji=False)
    return found if found.is_terminal else Console(markup=False, emoji=False, width=max(found.width, 160))
