"""An authority of the test's own, and what it signed, as the PEM files that servers and clients read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

KEY_PASSWORD = "opens-" + "the-key"


@dataclass(frozen=True)
class Identity:
    """A certificate for 127.0.0.1 and localhost, and its key (PKCS 8)."""

    certificate: Path
    key: Path
    both: Path
    """key and certificate in one file, as Kafka wants them"""


@dataclass(frozen=True)
class Certificates:
    ca: Path
    server: Identity
    client: Identity
    """its key is encrypted with `KEY_PASSWORD`"""
    stranger: Identity
    """signed by another authority"""

    @classmethod
    def make(cls, folder: Path) -> Self:
        authority = trustme.CA()
        ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(ca)
        return cls(
            ca,
            _identity(authority, folder / "server"),
            _identity(authority, folder / "client", KEY_PASSWORD),
            _identity(trustme.CA(), folder / "stranger"),
        )


def _identity(authority: trustme.CA, stem: Path, password: str = "") -> Identity:
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    encryption: KeySerializationEncryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    identity = Identity(stem.with_suffix(".crt"), stem.with_suffix(".key"), stem.with_suffix(".pem"))
    identity.certificate.write_bytes(chain)
    identity.key.write_bytes(pem)
    identity.both.write_bytes(pem + chain)
    return identity
