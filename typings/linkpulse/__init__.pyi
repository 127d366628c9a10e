from linkpulse.agent.agent import Agent as Agent
from linkpulse.report import Reporter as Reporter
from linkpulse.report.report_ids import Ids as Ids
from linkpulse.session.session import Session as Session
from linkpulse.settings import Settings as Settings

__version__: str

def forget(name: str) -> None: ...
