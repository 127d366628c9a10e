import json
import time
from linkpulse.port.clock import epoch

print(json.dumps([epoch(), list(time.gmtime()[:6])]))
