"""An honest load probe: every request not answered with success is counted, and none is repeated in secret."""

from lab.probe.background import ProbeError, RunningProbe, running
from lab.probe.report import Report

__all__ = ["ProbeError", "Report", "RunningProbe", "running"]
