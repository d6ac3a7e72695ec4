"""Asks one hook what release files want to know of it: whether to promote, and whether to roll back.

The rules, which are decided here and nowhere else:
  * A hook is asked about releases whose file names it, and that its own entry lets ask it: nobody who may write a
    release file chooses an address.
  * 200 is yes; anything else is no, also redirects, what comes too late, and no answer. No body is read.
  * A yes becomes a command in the evidence log, under the name `hook:NAME`, and an entry of the audit log. It is given
    only where the release still is what the question was about.
  * One question at a time for each hook: one that is slow holds up nobody but itself.
"""

import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

import msgspec
import structlog

from trimtab.control.audit_log import Author
from trimtab.control.notify.courier import Straight
from trimtab.control.notify.signature import signed_headers
from trimtab.control.notify.targets import Hook
from trimtab.control.release_view import Releases, ReleaseView
from trimtab.control.steer import OrderRefused, steer
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.errors import InvalidRecord, Unreachable
from trimtab.schemas.evidence import Command
from trimtab.schemas.hooks import Hooks
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.release import parse_document
from trimtab.streams.settings import KafkaSettings

_ANSWER_S: Final = 10.0
_VERSION: Final = 1
_GOES_ON: Final = (Phase.PROGRESSING, Phase.PAUSED)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Question:
    """What a hook is asked."""

    kind: Literal["confirm_promotion", "confirm_rollback"]
    view: ReleaseView
    variant: str
    """that would be promoted; empty where it is to be rolled back"""

    @property
    def id(self) -> str:
        """The same for a question that is asked again of the same decision."""
        made = self.view.decision
        return f"{made.release}/{made.era}.{made.revision}/{self.kind}"

    def body(self) -> bytes:
        """Gives what is posted."""
        made = self.view.decision
        return msgspec.json.encode(
            {
                "v": _VERSION, "id": self.id, "kind": self.kind, "release": made.release, "era": made.era,
                "revision": made.revision, "time_ms": made.time_ms, "phase": made.phase, "variant": self.variant,
                "weights": made.weights, "rule": made.rule,
            }
        )  # fmt: skip

    def command(self, hook: str) -> Command:
        """Gives what a yes orders."""
        made, actor = self.view.decision, f"hook:{hook}"
        if self.kind == "confirm_promotion":
            return Command(release=made.release, action="confirm", variant=self.variant, actor=actor)
        return Command(release=made.release, action="abort", reason=f"{hook} asks to roll it back", actor=actor)


def questions_of(view: ReleaseView, hook: Hook) -> Iterator[Question]:
    """Gives what a hook is to be asked about a release."""
    made = view.decision
    if not hook.serves(made.release) or made.queued_behind:
        return
    hooks = _hooks(view)
    if hooks.confirm_rollback == hook.name and made.phase in _GOES_ON:
        yield Question("confirm_rollback", view, "")
    if hooks.confirm_promotion == hook.name and made.awaits:
        yield Question("confirm_promotion", view, made.awaits)


def still_stands(question: Question, now: ReleaseView | None) -> bool:
    """Whether a release is still what a question was about."""
    if now is None or now.document != question.view.document:
        return False
    made: Decision = now.decision
    return made.awaits == question.variant if question.variant else made.phase in _GOES_ON


def _hooks(view: ReleaseView) -> Hooks:
    try:
        return parse_document(view.document).spec.hooks
    except ValueError:  # of a newer version
        return Hooks()


class Asker:
    """Asks one hook about every release, again and again, until `stopping` is set."""

    def __init__(self, kafka: KafkaSettings, redis: RedisConnection, hook: Hook, stopping: threading.Event) -> None:
        self._kafka, self._redis, self._hook, self._stopping = kafka, redis, hook, stopping
        self._secret = hook.secret()
        self._opener = urllib.request.build_opener(Straight())
        self._by = Author(source="hook", unrecorded=_unrecorded)
        self._said: dict[str, str] = {}
        """kind and release -> the answer that was logged last"""

    def run(self) -> None:
        """Asks. What is away is waited for."""
        while not self._stopping.is_set():
            try:
                self._round(Releases(self._redis))
            except Unreachable as error:
                _log.warning("hook_held_up", hook=self._hook.name, error=str(error))
            self._stopping.wait(self._hook.every / 1000)

    def _round(self, releases: Releases) -> None:
        for name in releases.names():
            try:
                view = releases.get(name, {})
            except InvalidRecord:
                continue  # which `trimtab get` shows
            for question in questions_of(view, self._hook) if view else ():
                if self._stopping.is_set():
                    return
                if self._is_yes(question) and still_stands(question, releases.get(name, {})):
                    self._order(question)

    def _is_yes(self, question: Question) -> bool:
        answer = self._ask(question)
        key = f"{question.kind} {question.view.decision.release}"
        if self._said.get(key) != answer:
            self._said[key] = answer
            _log.info("hook_answered", hook=self._hook.name, question=question.id, answer=answer)
        return answer == str(int(HTTPStatus.OK))

    def _ask(self, question: Question) -> str:
        """Gives the status that a hook answers with, or why there is none."""
        body = question.body()
        headers = signed_headers(self._secret, question.id, int(time.time()), body)
        request = urllib.request.Request(  # noqa: S310 - http and https alone: `Hook` has checked it
            self._hook.url, body, {"Content-Type": "application/json", "User-Agent": "trimtab", **headers}
        )
        try:
            with self._opener.open(request, timeout=self._hook.timeout / 1000) as response:
                return str(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return str(error.code)
        except (OSError, http.client.HTTPException) as error:
            return str(getattr(error, "reason", error)) or type(error).__name__

    def _order(self, question: Question) -> None:
        command = question.command(self._hook.name)
        try:
            made = steer(
                command, kafka=self._kafka, wait_s=_ANSWER_S, by=self._by, before=question.view.decision
            )  # fmt: skip
        except OrderRefused as error:
            _log.warning("hook_refused", hook=self._hook.name, release=command.release, reason=str(error))
        else:
            _log.info(
                "hook_obeyed", hook=self._hook.name, release=command.release, action=command.action,
                revision=made.revision,
            )  # fmt: skip


def _unrecorded(entry: object, error: str) -> None:
    _log.error("audit_unwritten", error=error, entry=msgspec.to_builtins(entry))
