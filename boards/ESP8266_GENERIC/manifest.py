# ruff: noqa: F821
include("$(PORT_DIR)/boards/manifest.py")
include("$(MPY_DIR)/extmod/asyncio")
include("../common/agent.py", counting=True)
