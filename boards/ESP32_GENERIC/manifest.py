# ruff: noqa: F821
include("$(PORT_DIR)/boards/manifest.py")
include("../common/agent.py", lwip=True, counting=True)
