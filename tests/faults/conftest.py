"""Tells at the end of a run how soon weights moved again after each fault."""

import pytest

from faults.fault_rig import recoveries


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if recoveries:
        terminalreporter.section("weights moved again")
        for fault, took_s in recoveries:
            terminalreporter.write_line(f"{took_s:5.1f} s  {fault}")
