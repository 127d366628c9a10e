"""`linkpulse provision`: what one device needs to be let in by a broker, as a folder of files."""
