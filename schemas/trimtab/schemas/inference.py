"""The Open Inference Protocol, version 2, as far as it says which model a request asks for and which one answered.

    POST /v2/models/NAME[/versions/VERSION]/infer
    {"model_name": NAME, "model_version": VERSION, "id": ..., "outputs": [...]}

The version is optional in both; its text is the server's own. Decided here, and nowhere else: which variant of a
release a model and a version are (`variant_of`).

Source: Open Inference Protocol, REST, https://github.com/kserve/open-inference-protocol.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

_PATH: Final = re.compile(r"/v2/models/([^/?#]+)(?:/versions/([^/?#]+))?/infer/?(?:[?#].*)?")


class Served(NamedTuple):
    """A model and its version, as the protocol names them; empty where they are not told."""

    model: str = ""
    version: str = ""


class _Answer(msgspec.Struct):
    model_name: str = ""
    model_version: str = ""


_decode = msgspec.json.Decoder(_Answer).decode


def asked_for(path: str) -> Served | None:
    """Gives what a request's path asks for, whatever prefix stands before it; None where it is no inference.

    >>> asked_for("/v2/models/digits/infer"), asked_for("/v2/models/digits/versions/3/infer?trace=1")
    (Served(model='digits', version=''), Served(model='digits', version='3'))
    >>> asked_for("/v2/health/ready") is None
    True
    """
    start = path.find("/v2/models/")
    found = _PATH.fullmatch(path, start) if start >= 0 else None
    return Served(found[1], found[2] or "") if found else None


def answered_by(body: bytes) -> Served:
    """Gives what the body of an answer says; what is no answer of the protocol says nothing.

    >>> answered_by(b'{"model_name": "digits", "model_version": "3", "outputs": []}'), answered_by(b"oops")
    (Served(model='digits', version='3'), Served(model='', version=''))
    """
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Served()
    return Served(answer.model_name, answer.model_version)


def variant_of(served: Served, targets: Mapping[str, str]) -> str:
    """Gives the variant of a release that is `served`; empty where none is, or more than one, or no version is told.

    `targets`: variant -> the proxy's name for it. A variant is version 3 of the model `digits` if one of its two names
    is 3, v3, digits-3, digits-v3 or digits:3.

    >>> targets = {"fast": "digits-1", "v3": "at-v3"}
    >>> [variant_of(Served("digits", version), targets) for version in ("1", "3", "4", "")]
    ['fast', 'v3', '', '']
    """
    version = served.version
    if not version:
        return ""
    names = {version, f"v{version}"}
    names |= {f"{served.model}{sign}{version}" for sign in ("-", "-v", ":")} if served.model else set()
    found = [variant for variant, target in targets.items() if variant in names or target in names]
    return found[0] if len(found) == 1 else ""
