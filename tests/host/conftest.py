from tests.core import on_cpython  # noqa: F401
