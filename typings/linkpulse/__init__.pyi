from linkpulse.agent import Agent as Agent
from linkpulse.reporter import Reporter as Reporter
from linkpulse.session import Session as Session
from linkpulse.settings import Settings as Settings
from linkpulse.state import Ids as Ids

__version__: str

def forget(name: str) -> None: ...
