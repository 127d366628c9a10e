"""`linkpulse provision`: a folder with the files that one device needs so that a broker accepts it."""
