"""`trimtab demo`: a real release, steered through a real proxy, on one machine.

What a person may choose is here; `trimtab.control.demo.run` plays it, and needs the extra `demo`.
"""

from trimtab.control.demo.options import DemoOptions, Scenario, Strategy

__all__ = ["DemoOptions", "Scenario", "Strategy"]
