"""Every setting with its names: in a file, in the environment, and in the documentation.

python -m trimtab.streams.setting_table > docs/settings.md
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from trimtab.schemas.redis_connection import parse_redis_url
from trimtab.streams.settings import Settings

PREFIX: Final = "TRIMTAB_"
CONFIG: Final = "TRIMTAB_CONFIG"
"""The variable that names the file."""
_HIDDEN: Final = "********"

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting."""

    path: Path
    default: object
    meaning: str
    is_secret: bool
    """never shown; may also be given by the name of a file that holds it"""

    @property
    def name(self) -> str:
        """As in a file: `kafka.sasl.password`."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """As in the environment: `TRIMTAB_KAFKA__SASL__PASSWORD`."""
        return variable(self.path)


def variable(path: Path) -> str:
    """Gives the environment's spelling of a setting, or of what would be one."""
    return PREFIX + "__".join(path).upper()


def both_spellings(path: Path) -> str:
    """Gives `kafka.bootstrap (TRIMTAB_KAFKA__BOOTSTRAP)`."""
    return f"{'.'.join(path)} ({variable(path)})"


def _entries(model: type[BaseModel], above: Path = ()) -> Iterator[Entry]:
    for name, field in model.model_fields.items():
        path = (*above, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _entries(field.annotation, path)
        else:
            yield Entry(path, field.default, " ".join((field.description or "").split()), _is_secret(field))


def _is_secret(field: FieldInfo) -> bool:
    """Whether it is a secret, or may hold one, as the address of Redis does."""
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation) or not field.repr


ENTRIES: Final = {entry.path: entry for entry in _entries(Settings)}
"""path -> setting, in the order of the documentation"""


def shown(settings: Settings) -> dict[str, Any]:
    """Gives all settings as plain nested data, with no secret in it."""
    tree: dict[str, Any] = {}
    for path in ENTRIES:
        value: Any = settings
        for name in path:
            value = getattr(value, name)
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = _plain(value)
    tree["redis"]["url"] = _without_secret(settings.redis.url)
    tree["catalog"]["url"] = _without_password(settings.catalog.url)
    return tree


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return _HIDDEN
    if isinstance(value, Enum):
        return value.value
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _without_secret(url: str) -> str:
    address = parse_redis_url(url)
    if not address.password:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{address.username}:{_HIDDEN}@{rest.rpartition('@')[2]}"


def _without_password(url: str) -> str:
    password = urlsplit(url).password
    return url if password is None else url.replace(f":{password}@", f":{_HIDDEN}@", 1)


_HEAD: Final = f"""\
# Settings

Every setting of workers, sidecars and the command line, from the models that read them
(`python -m trimtab.streams.setting_table > docs/settings.md`; a test compares).

* **By environment:** the variable in the table. An empty one counts as not set.
* **By file:** YAML, named by `--config FILE` or `{CONFIG}`; a dot in a name is a level in the file.
* The environment wins over the file, and an option of the command line (`--kafka`, `--redis`) over both.
* **Secrets** (marked *secret*) may stand in a file of their own, as orchestrators mount them: add `_FILE` to the
  variable or `_file` to the name, and give the path. They are never printed.
* A setting that does not exist is refused, as is a variable that starts with `{PREFIX}` and is none of these.
* `trimtab config show` prints what is in force.

A cluster with TLS and SCRAM, for example:

```yaml
kafka:
  bootstrap: kafka-1.example.com:9093,kafka-2.example.com:9093
  security_protocol: SASL_SSL
  tls: {{ca_file: /etc/trimtab/ca.pem}}
  sasl: {{mechanism: SCRAM-SHA-512, username: trimtab, password_file: /run/secrets/kafka}}
  replication: 3
redis:
  url: rediss+sentinel://sentinel-1:26379,sentinel-2:26379,sentinel-3:26379/main/0
  password_file: /run/secrets/redis
  tls: {{ca_file: /etc/trimtab/ca.pem}}
```

| name in the file | environment variable | default | meaning |
|---|---|---|---|
"""


_TAIL: Final = """
## Rights

What each program needs where Kafka and Redis have access lists. A worker that may not create topics works as well, once
somebody else has created them with the configuration that it asks for (it is told at the start, with the command).

| program | Kafka | Redis |
|---|---|---|
| worker | topics `trimtab.*` and `GROUP-snapshots-changelog`, and group GROUP: see below | read and write |
| sidecar, services | topic `trimtab.telemetry`: Write, Describe | read; a sidecar also writes its report |
| `trimtab apply` | topics `trimtab.evidence` and `trimtab.audit`: Write, Describe | read |
| `trimtab pause` and the like | that, and `trimtab.decisions` and `trimtab.dead-letters`: Read, Describe | |
| `trimtab get` | | read |
| `trimtab serve` | that, and Read on `trimtab.evidence` and `trimtab.audit` | read |

A worker's rights in Kafka are Read, Write, Describe, DescribeConfigs and Create for its topics, and Read for its group.
Without DescribeConfigs it cannot tell whether topics that exist are configured as they have to be.

In Redis: `~trimtab:* &trimtab:* +@read +@write +@pubsub +@connection +eval +info +role`, with a
Cluster also `+cluster|slots +cluster|shards +cluster|nodes +command`.
"""


def markdown() -> str:
    """Gives docs/settings.md."""
    return _HEAD + "".join(_row(entry) for entry in ENTRIES.values()) + _TAIL


def _row(entry: Entry) -> str:
    meaning = f"*secret*: {entry.meaning}" if entry.is_secret else entry.meaning
    default = _plain(entry.default)
    told = "" if default is None or default == "" else f"`{str(default).lower() if default is True else default}`"
    return f"| `{entry.name}` | `{entry.variable}` | {told} | {meaning} |\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
