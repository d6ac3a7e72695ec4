"""Lets the arms of releases follow the models' catalogue, for as long as it runs.

It compares what releases are (Redis) with what the catalogue says, whenever that changes and once a second besides, and
orders what follows (`model_orders.py`). It remembers nothing that matters: another one, or the same after a restart,
comes to the same orders, and an order that is given twice is refused by the engine.

Nothing stands in the way of an order: what is written into the catalogue is written after all orders are given, a
release that cannot be read keeps nobody else's from being, and one that reached nobody is given again.
"""

import time
from threading import Event
from typing import Final

import structlog
from pydantic import ValidationError

from trimtab.catalog.errors import CatalogError
from trimtab.catalog.store import Store
from trimtab.catalog.view import Snapshot, View
from trimtab.control.apply import publish
from trimtab.control.model_arms import has_models, judge
from trimtab.control.model_orders import ACTOR, orders
from trimtab.control.models_record import Recorder
from trimtab.control.release_view import Releases
from trimtab.control.steer import NotTaken, OrderRefused, steer
from trimtab.schemas.decision import Decision
from trimtab.schemas.errors import InvalidRecord, Unreachable
from trimtab.schemas.evidence import Command
from trimtab.schemas.ids import Revision
from trimtab.schemas.release import Release, parse_document
from trimtab.streams.settings import Settings

LOOK_S: Final = 0.2
"""How often the catalogue is asked whether it changed."""
SWEEP_S: Final = 1.0
"""How often releases are looked at where it did not."""
ANSWER_S: Final = 10.0
_PUBLISH_S: Final = 5.0
_log = structlog.get_logger()


class Follower:
    """Follows one catalogue."""

    def __init__(self, store: Store, settings: Settings, *, writes: bool = True) -> None:
        """`writes`: whether deployments, and how they serve, are written into the catalogue."""
        self._store, self._settings = store, settings
        self._view = View(store)
        self._releases = Releases(settings.redis)
        self._recorder = Recorder(store) if writes else None
        self._given: dict[str, tuple[Revision, list[Command]]] = {}
        """release -> what was ordered of it, and at which revision: it is not ordered again before that changes"""
        self._helpless: dict[str, str] = {}
        self._warned: dict[tuple[str, str], str] = {}
        """(event, release) -> what was said last: it is not said again"""
        self._seen = -1
        self._swept_s = 0.0

    def run(self, stop: Event) -> None:
        """Looks again and again until `stop`."""
        is_away = False
        while not stop.is_set():
            try:
                self.look()
                is_away = False
            except Unreachable as error:
                if not is_away:
                    _log.warning("models_unreachable", error=str(error))
                is_away = True
            stop.wait(SWEEP_S if is_away else LOOK_S)

    def look(self) -> None:
        """Compares, where there is something new or it is time. Raises `Unreachable`."""
        now_s = time.monotonic()
        if self._store.revision() == self._seen and now_s - self._swept_s < SWEEP_S:
            return
        snapshot = self._view.now()
        self._swept_s = now_s
        releases: list[tuple[Release, Decision]] = []
        failures: list[Unreachable] = []
        for name in self._releases.names():
            if found := self._read(name):
                releases.append(found)
                failures += filter(None, [self._compare(*found, snapshot)])
        if failures:
            raise failures[0]
        self._seen = snapshot.revision
        for release, decision in releases:
            self._record(release, decision, snapshot)

    def _read(self, name: str) -> tuple[Release, Decision] | None:
        """Gives a release that has models; None for any other, and for one that a newer version has written."""
        try:
            view = self._releases.get(name, {})
            release = view and parse_document(view.document)
        except (InvalidRecord, ValidationError) as error:
            if self._is_news("unread", name, str(error)):
                _log.warning("models_release_unread", release=name, error=str(error))
            return None
        return (release, view.decision) if view and release and has_models(release) else None

    def _compare(self, release: Release, decision: Decision, snapshot: Snapshot) -> Unreachable | None:
        """Orders what follows of a release; gives why it could not be ordered, if so."""
        found = orders(release, decision, judge(release, snapshot))
        if found.helpless != self._helpless.get(release.name, ""):
            self._helpless[release.name] = found.helpless
            if found.helpless:
                _log.error("models_helpless", release=release.name, why=found.helpless)
        given = (decision.id, found.commands)
        if self._given.get(release.name) == given:
            return None
        self._given[release.name] = given
        try:
            done = [self._order(command, decision) for command in found.commands]
            if found.release is not None and all(done):
                self._replace(found.release, decision)
        except NotTaken as error:  # it stands in the log
            return error
        except Unreachable as error:
            del self._given[release.name]
            return error
        return None

    def _replace(self, release: Release, before: Decision) -> None:
        """Applies a release in which queries mean other models."""
        kafka = self._settings.kafka
        publish([release], kafka=kafka, wait_s=_PUBLISH_S, actor=ACTOR, before={release.name: before})
        models = {variant.name: variant.model.model for variant in release.spec.variants if variant.model}
        _log.info("models_replaced", release=release.name, models=models)

    def _record(self, release: Release, decision: Decision, snapshot: Snapshot) -> None:
        if self._recorder is None:
            return
        try:
            self._recorder.record(release, decision, snapshot)
        except CatalogError as error:
            if self._is_news("unrecorded", release.name, str(error)):
                _log.warning("models_unrecorded", release=release.name, error=str(error))

    def _is_news(self, what: str, release: str, error: str) -> bool:
        """Whether something else was the matter before. What stays the same is told once."""
        before, self._warned[what, release] = self._warned.get((what, release)), error
        return before != error

    def _order(self, command: Command, before: Decision) -> bool:
        """Whether an order was followed, or had been before."""
        told = {"release": command.release, "action": command.action, "variant": command.variant, "why": command.reason}
        try:
            made = steer(command, kafka=self._settings.kafka, wait_s=ANSWER_S, before=before)
        except OrderRefused as error:
            _log.warning("models_order_refused", **told, error=str(error))
            return False
        _log.info("models_ordered", **told, revision=made.revision, weights=made.weights)
        return True
