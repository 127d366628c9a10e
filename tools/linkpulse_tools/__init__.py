"""The host's side of linkpulse: what runs, checks and shows a device's reports."""

__version__ = "0.1.0"
