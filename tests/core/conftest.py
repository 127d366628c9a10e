import pytest

from tests.core import on_cpython  # noqa: F401


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
