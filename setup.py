"""Only this, the rest is in pyproject.toml: build in a folder that is empty.

setuptools takes a wheel's files from its build folder, where modules of earlier builds stay that are no longer there.
"""

import tempfile

from setuptools import setup

with tempfile.TemporaryDirectory() as folder:
    setup(options={"build": {"build_base": folder}})
