import logging

import pytest
import structlog
from typer.testing import CliRunner

from conftest import forget_logging
from trimtab.control.cli import app


def test_a_command_in_this_process_leaves_no_log_that_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.root.handlers[:]
    CliRunner().invoke(app, ["topics", "create", "--kafka", "127.0.0.1:1", "--wait", "0"])
    with pytest.raises(ValueError, match="closed file"):
        structlog.get_logger().warning("to whom")
    forget_logging()
    structlog.get_logger().warning("to everybody")
    assert "to everybody" in capsys.readouterr().out
    assert [handler for handler in logging.root.handlers if handler not in before] == []
