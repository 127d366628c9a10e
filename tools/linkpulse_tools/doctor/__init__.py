"""`linkpulse doctor`: says what is wrong with a board or a gateway, and what to do, in one line for each check."""
