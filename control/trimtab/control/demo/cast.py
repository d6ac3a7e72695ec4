"""What a run of the demo starts: which services, and the release of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The services behind the proxy, each a program of its own that says `listening on PORT`, and the release."""

    release: str
    text: str
    """the release file that is applied first"""
    services: Mapping[str, tuple[str, ...]]
    """the proxy's name -> arguments of Python; `{kafka}` and `{redis}` stand for where those are"""
    fronts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """the same of programs that ask services, and that Envoy does not know; `{NAME}` stands for a service's port"""
    scene: str
    """the services, in words"""
    plot: str
    """the release, in words"""
    ready: str = ""
    """a path, without its first slash, that answers 200 once the services are there"""
    settings: Callable[[Path], Path] | None = None
    """gives settings for the server of the console, made in a folder; it asks for no others"""
    are_models: bool = False
    """whether they are model servers: Envoy looks into their answers, and the label service is there"""
