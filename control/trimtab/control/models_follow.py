"""Lets the arms of releases follow the models' catalogue, for as long as it runs.

It compares what releases are (Redis) with what the catalogue says, whenever that changes and once a second besides, and
orders what follows (`model_orders.py`). It remembers nothing that matters: another one, or the same after a restart,
comes to the same orders, and an order that is given twice is refused by the engine.
"""

import time
from threading import Event
from typing import Final

import structlog

from trimtab.catalog.store import Store
from trimtab.catalog.view import Snapshot, View
from trimtab.control.apply import publish
from trimtab.control.model_arms import has_models, judge
from trimtab.control.model_orders import ACTOR, orders
from trimtab.control.models_record import Recorder
from trimtab.control.release_view import Releases, ReleaseView
from trimtab.control.steer import OrderRefused, steer
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
        for name in self._releases.names():
            try:
                view = self._releases.get(name, {})
            except InvalidRecord as error:
                _log.warning("models_release_unread", release=name, error=str(error))
                continue
            if view is not None:
                self._compare(view, parse_document(view.document), snapshot)
        self._seen = snapshot.revision

    def _compare(self, view: ReleaseView, release: Release, snapshot: Snapshot) -> None:
        if not has_models(release):
            return
        if self._recorder is not None:
            self._recorder.record(release, view.decision, snapshot)
        found = orders(release, view.decision, judge(release, snapshot))
        if found.helpless != self._helpless.get(release.name, ""):
            self._helpless[release.name] = found.helpless
            if found.helpless:
                _log.error("models_helpless", release=release.name, why=found.helpless)
        given = (view.decision.id, found.commands)
        if self._given.get(release.name) == given:
            return
        self._given[release.name] = given
        done = [self._order(command, view.decision) for command in found.commands]
        if found.release is not None and all(done):
            publish(
                [found.release],
                kafka=self._settings.kafka,
                wait_s=_PUBLISH_S,
                actor=ACTOR,
                before={release.name: view.decision},
            )
            models = {variant.name: variant.model.model for variant in found.release.spec.variants if variant.model}
            _log.info("models_replaced", release=release.name, models=models)

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
