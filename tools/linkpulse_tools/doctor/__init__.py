"""`linkpulse doctor`: what is wrong with a board or a gateway, and what to do, one line a check."""
