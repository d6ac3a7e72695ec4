"""Weights, brought to one object of Kubernetes by patches that name what they change.

* The object is read before each try, and patched only where its weights are others: what somebody else has set is set
  back within `AGAIN_S`.
* Where a list was reordered or the object changed in between, which the API server says with 409 or 422, it is read
  and patched anew, a few times.
* Anything else that the API server says is passed on in its own words, and tried again as for every proxy.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError
from yaml import YAMLError

from trimtab.schemas.decision import WeightsRecord
from trimtab.sidecar.follower import NotTaken
from trimtab.sidecar.kubernetes.shapes import Object, Operation, Shape, patch_of, scaled

AGAIN_S: Final = 10.0
"""How often the object is looked at although no weight has changed."""

_TRIES: Final = 4
_JSON_PATCH: Final = "application/json-patch+json"
_ANSWER_S: Final = 5.0
_CONFLICT: Final = (409, 422)
_MAX_WORDS: Final = 300


class Patcher:
    """Keeps an object at the weights of a release. Raises `ValueError` for a cluster that is not told of."""

    def __init__(self, shape: Shape, namespace: str, name: str, *, kubeconfig: Path | None, total: int) -> None:
        """`kubeconfig`: None within a cluster. `total`: what the weights are to sum to."""
        self._shape, self._namespace, self._name, self._total = shape, namespace, name, total
        self._objects = client.CustomObjectsApi(_api(kubeconfig))

    async def bring(self, records: Sequence[WeightsRecord]) -> None:
        """Patches the object where it has other weights. Raises `NotTaken` where it cannot be."""
        [record] = records
        if record.is_queued:
            return  # the object is still that of the release that it waits for
        by_target = {record.targets[variant]: weight for variant, weight in record.weights.items()}
        await asyncio.to_thread(self._settle, scaled(by_target, self._total))

    def _settle(self, weights: dict[str, int]) -> None:
        for left in reversed(range(_TRIES)):
            try:
                patch = patch_of(self._shape, self._read(), weights)
                if patch:
                    self._patch(patch)
            except ApiException as error:
                if error.status not in _CONFLICT or not left:
                    raise NotTaken(f"{self._title}: {_words(error)}") from error
            except HTTPError as error:
                raise NotTaken(f"{self._title}: the API server does not answer: {error}") from error
            else:
                return

    @property
    def _title(self) -> str:
        return f"{self._shape.kind} {self._namespace}/{self._name}"

    @property
    def _where(self) -> dict[str, Any]:
        shape = self._shape
        return {
            "group": shape.group, "version": shape.version, "namespace": self._namespace, "plural": shape.plural,
            "name": self._name, "_request_timeout": _ANSWER_S,
        }  # fmt: skip

    def _read(self) -> Object:
        found = self._objects.get_namespaced_custom_object(**self._where)
        if not isinstance(found, dict) or not isinstance(found.get("spec"), dict):
            # Something that stands in front of the API server, such as a page to log in at, says 200, too.
            raise NotTaken(f"{self._title}: expected an object with a spec, got {str(found)[:_MAX_WORDS]!r}")
        return found

    def _patch(self, patch: list[Operation]) -> None:
        self._objects.patch_namespaced_custom_object(
            **self._where, body=patch, field_manager="trimtab", _content_type=_JSON_PATCH
        )


def _api(kubeconfig: Path | None) -> client.ApiClient:
    told = client.Configuration()
    told.retries = False  # tries are made here, and refusals told at once
    try:
        if kubeconfig is None:
            config.load_incluster_config(client_configuration=told)
        else:
            config.load_kube_config(str(kubeconfig), client_configuration=told)
    except (ConfigException, OSError, ValueError) as error:
        raise ValueError(f"kubeconfig: {error}") from error
    except (YAMLError, TypeError, AttributeError, KeyError) as error:  # the loader takes the file's shape for granted
        words = " ".join(str(error).split())
        raise ValueError(
            f"kubeconfig {kubeconfig}: expected what kubectl reads, got something else: {words}"
        ) from error
    return client.ApiClient(told)


def _words(error: ApiException) -> str:
    """Gives what the API server says, in its words."""
    try:
        told = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        told = error.reason
    return f"{error.status} {str(told)[:_MAX_WORDS]}"
