"""`trimtab demo`: a real release, steered through a real proxy, on one machine."""

from trimtab.control.demo.options import DemoOptions, Scenario, Strategy
from trimtab.control.demo.run import run

__all__ = ["DemoOptions", "Scenario", "Strategy", "run"]
