"""`linkpulse deploy`: the agent and a device's files onto a board."""
