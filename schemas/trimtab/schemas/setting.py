"""What models of settings have in common: how strict they are, and how they name a setting that breaks a rule."""

from typing import Final

from pydantic import ConfigDict
from pydantic_core import PydanticCustomError

SETTING: Final = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)
"""Values never stand in errors, for some of them are secret; a field's docstring is its description."""

BROKEN_RULE: Final = "setting"
"""The type of the errors of `broken`, as pydantic reports it."""


def broken(name: str, message: str) -> PydanticCustomError:
    """Gives the error for setting `name`, dotted from the model that raises it on; nothing secret in `message`."""
    return PydanticCustomError(BROKEN_RULE, "{message}", {"message": message, "setting": name})
