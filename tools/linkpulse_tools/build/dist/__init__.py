"""`linkpulse dist`: one module for each kind of package."""
