"""The `trimtab` command. Data goes to standard output, words to standard error. docs/cli.md is its reference.

Exit codes: 0 done, 1 failed, 2 wrong usage or a wrong file, 3 a server could not be reached, 4 not over in time.
"""

import os
import sys
from typing import Final

import typer

from trimtab.control.lazy import lazy_group

PANELS: Final = {
    "Begin": {
        "demo": "demo_command:demo",
        "apply": "apply_command:apply",
        "diff": "diff_command:diff",
        "lint": "gate_command:lint",
        "plan": "plan_command:plan",
    },
    "See": {
        "get": "cli:get_app",
        "describe": "describe_command:describe",
        "explain": "explain_command:explain",
        "status": "gate_command:status",
        "history": "decisions_command:history",
        "decisions": "decisions_command:decisions",
        "audit": "audit_command:audit",
        "replay": "replay_command:replay",
    },
    "Steer": {
        "pause": "steer_command:pause",
        "resume": "steer_command:resume",
        "promote": "steer_command:promote",
        "abort": "steer_command:abort",
        "retry": "steer_command:retry",
        "freeze": "steer_command:freeze",
        "set-weights": "steer_command:set_weights",
        "exclude": "steer_command:exclude",
        "confirm": "steer_command:confirm",
        "undo": "undo_command:undo",
    },
    "Models": {
        "models": "cli:models_app",
        "export": "cli:export_app",
        "labels": "labels_command:labels",
    },
    "Run": {
        "worker": "worker_command:worker",
        "sidecar": "cli:sidecar_app",
        "serve": "serve_command:serve",
        "notify": "notify_command:notify",
    },
    "This installation": {
        "doctor": "doctor_command:doctor",
        "topics": "cli:topics_app",
        "config": "cli:config_app",
        "schema": "about_command:schema",
        "completion": "completion_command:completion",
        "version": "about_command:version",
    },
}
"""heading of help -> name -> where it is; a module is imported when a command of it is called"""

_GET: Final = {
    "releases": "get_command:get_releases",
    "release": "get_command:get_release",
    "sidecars": "get_command:get_sidecars",
}

_SIDECAR: Final = {
    "envoy": "sidecar_command:serve_envoy",
    "haproxy": "haproxy_command:sidecar_haproxy",
    "haproxy-config": "haproxy_command:sidecar_haproxy_config",
    "gateway-api": "sidecar_command:patch_gateway_route",
    "istio": "sidecar_command:patch_virtual_service",
    "exec": "sidecar_command:run_command",
    "file": "sidecar_command:write_file",
}

_MODELS: Final = {
    "register": "models_write_command:register",
    "list": "models_command:list_models",
    "show": "models_command:show",
    "lineage": "models_command:lineage",
    "choose": "models_command:choose",
    "revoke": "models_write_command:revoke",
    "reinstate": "models_write_command:reinstate",
    "follow": "models_follow_command:follow",
    "import-mlflow": "models_write_command:import_mlflow",
    "export-mlflow": "models_write_command:export_mlflow",
}

app = typer.Typer(
    name="trimtab",
    cls=lazy_group({name: place for commands in PANELS.values() for name, place in commands.items()}, PANELS),
    help="Release decisions from live traffic: canaries, bandits and guardrails that move weights within a second.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
get_app = typer.Typer(cls=lazy_group(_GET), no_args_is_help=True, help="Show releases and sidecars.")
topics_app = typer.Typer(
    cls=lazy_group({"check": "topics_command:check", "create": "topics_command:create"}),
    no_args_is_help=True,
    help="Topics of Kafka.",
)
config_app = typer.Typer(cls=lazy_group({"show": "about_command:config_show"}), no_args_is_help=True, help="Settings.")
sidecar_app = typer.Typer(
    cls=lazy_group(_SIDECAR), no_args_is_help=True, help="Run beside a proxy: weights in, telemetry out."
)
export_app = typer.Typer(
    cls=lazy_group({"kserve": "export_command:export_kserve", "seldon": "export_command:export_seldon"}),
    no_args_is_help=True,
    help="Weights for model servers on Kubernetes.",
)
models_app = typer.Typer(
    cls=lazy_group(_MODELS), no_args_is_help=True, help="Models and their metadata: register, find, choose, revoke."
)


@app.callback()
def _trimtab() -> None:
    """Has typer take it for a group."""


_QUICK: Final = ("get", "status", "explain", "describe")


def main() -> None:
    """Runs the command."""
    if sys.argv[1:2] and sys.argv[1] in _QUICK:
        # Else pydantic looks through every package that is installed for plugins of its own, for 20 ms.
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # noqa: TID251 - no setting of ours
        # And redis-py imports the whole SDK of OpenTelemetry where it is there, for metrics that nobody asked it for.
        sys.modules.setdefault("opentelemetry", None)  # type: ignore[arg-type]  # None: it cannot be imported
    app()


if __name__ == "__main__":
    main()
