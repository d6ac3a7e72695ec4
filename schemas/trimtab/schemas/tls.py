"""TLS toward Kafka or Redis: whom to trust, and who we are."""

import ssl
from pathlib import Path
from typing import Self

from pydantic import BaseModel, SecretStr, model_validator

from trimtab.schemas.setting import SETTING, broken


class TlsSettings(BaseModel):
    """Certificates as PEM files. They are read once at the start, so that a wrong one is told there."""

    model_config = SETTING

    ca_file: Path | None = None
    """authorities to trust; without it those of the operating system"""
    cert_file: Path | None = None
    """our certificate, for servers that ask for one (mutual TLS)"""
    key_file: Path | None = None
    """the key of our certificate"""
    key_password: SecretStr | None = None
    """of an encrypted key"""
    check_hostname: bool = True
    """whether the server's certificate has to name the address that was called"""

    @model_validator(mode="after")
    def _can_be_loaded(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            missing = "key_file" if self.key_file is None else "cert_file"
            raise broken(missing, "expected a file: certificate and key go together; got nothing")
        if self.key_password is not None and self.key_file is None:
            raise broken("key_file", "expected a file, for key_password is set; got nothing")
        if self.ca_file is not None or self.cert_file is not None:
            self.context()
        return self

    def context(self) -> ssl.SSLContext:
        """Gives a client's context. Raises an error that names the setting where a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        except OSError as error:
            raise broken("ca_file", f"expected a PEM file of certificates at {self.ca_file}: {error}") from None
        context.check_hostname = self.check_hostname
        if self.cert_file is not None and self.key_file is not None:
            self._identify(context, self.cert_file, self.key_file)
        return context

    def _identify(self, context: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
        for name, path in (("cert_file", cert_file), ("key_file", key_file)):
            if not path.is_file():
                raise broken(name, f"expected a PEM file at {path}, found none")
        # Without a password OpenSSL would ask for one at the terminal.
        password = self.key_password.get_secret_value() if self.key_password else ""
        try:
            context.load_cert_chain(cert_file, key_file, password)
        except (OSError, ValueError) as error:
            what = f"expected the key of {cert_file}, in PEM, to open with key_password, at {key_file}"
            raise broken("key_file", f"{what}: {error}") from None
