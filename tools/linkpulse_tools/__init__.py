"""linkpulse's tools for the host: they install the agent, and run, check and show a device's reports."""

__version__ = "0.1.0"
