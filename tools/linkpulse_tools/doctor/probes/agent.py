# Whether the code is complete. The next script says whether it fits.
try:
    import linkpulse.agent.agent
except MemoryError:
    pass
print("[]")
