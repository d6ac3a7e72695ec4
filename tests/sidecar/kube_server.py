"""An API server that keeps to the rules of Kubernetes' patches: JSON Patch as a whole or not at all, in its words."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

Object = dict[str, Any]
TOKEN = "a-token-of-the-test"  # noqa: S105 - of nobody


class Refusal(Exception):
    """What is answered with a Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        self.status = {
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
            "message": message,
        }  # fmt: skip
        self.code = code


class KubeServer:
    """Objects by their paths, and the verbs that the bearer of the token may use."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.verbs = {"get", "patch"}
        self.before_patch: list[Callable[[Object], None]] = []
        """what happens to the object, once each, between its being read and its being patched; may raise `Refusal`"""
        self.patches: list[list[dict[str, Any]]] = []
        """those that were taken"""
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def kubeconfig(self, folder: Path) -> Path:
        file = folder / "kubeconfig"
        document = {
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "it", "user": {"token": TOKEN}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }  # fmt: skip
        file.write_text(yaml.safe_dump(document))
        return file

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(self._do(request, await request.read()))
        except Refusal as refusal:
            return web.json_response(refusal.status, status=refusal.code)

    def _do(self, request: web.Request, body: bytes) -> Object:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, "Unauthorized", "Unauthorized")
        verb = {"GET": "get", "PATCH": "patch"}.get(request.method, "")
        *_, plural, name = request.path.split("/")
        if verb not in self.verbs:
            who = 'User "trimtab" cannot'
            raise Refusal(403, "Forbidden", f'{plural} "{name}" is forbidden: {who} {verb} resource "{plural}"')
        if request.path not in self.objects:
            raise Refusal(404, "NotFound", f'{plural} "{name}" not found')
        if verb == "patch":
            self._patch(request, json.loads(body))
        return self.objects[request.path]

    def _patch(self, request: web.Request, patch: list[dict[str, Any]]) -> None:
        if request.content_type != "application/json-patch+json":
            raise Refusal(415, "UnsupportedMediaType", f"the body has the type {request.content_type}")
        held = self.objects[request.path]
        if self.before_patch:
            self.before_patch.pop(0)(held)
        changed = copy.deepcopy(held)
        for operation in patch:
            _apply(changed, operation)
        if changed != held:
            changed["metadata"]["resourceVersion"] = str(int(held["metadata"]["resourceVersion"]) + 1)
        self.objects[request.path] = changed
        self.patches.append(patch)


def _apply(document: Any, operation: dict[str, Any]) -> None:
    *above, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    try:
        for part in above:
            document = document[int(part)] if isinstance(document, list) else document[part]
        if operation["op"] == "test":
            is_met = document[last] == operation["value"]
        else:
            is_met = operation["op"] == "add" or last in document
            document[last] = operation["value"]
    except (KeyError, IndexError, TypeError):
        is_met = False
    if not is_met:
        raise Refusal(422, "Invalid", "the server rejected our request due to an error in our request")
