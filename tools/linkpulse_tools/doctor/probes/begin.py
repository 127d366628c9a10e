# The settings, and the hardware that they name. It is kept for the next script, because a driver must not be made
# twice.
import json
from linkpulse.settings import load

s = load(PATH)
try:
    board
except NameError:
    board = None
    if s.board():
        from linkpulse.board import Board
        from linkpulse.agent.status import Status

        board = Board(s, Status(None, ()).values)
