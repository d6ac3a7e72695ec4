"""How the long-running commands log: lines for a person at a terminal, JSON for everybody else, on standard error."""

import logging
import sys

import structlog
from structlog.typing import Processor


def configure(level: int = logging.INFO) -> None:
    """Sets up structlog, and sends the warnings of libraries the same way."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    is_terminal = sys.stderr.isatty()
    last = structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, *([] if is_terminal else [structlog.processors.format_exc_info]), last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    formatted = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *([] if is_terminal else [structlog.processors.format_exc_info]),
        last,
    ])  # fmt: skip
    handler.setFormatter(formatted)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("trimtab.client").setLevel(level)
