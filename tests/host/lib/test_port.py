"""What differs between runtimes is asked of linkpulse.port only."""

import ast

import pytest

from linkpulse_tools import paths

PACKAGE = paths.LIB / "linkpulse"
PORT = PACKAGE / "port"
PLATFORM = {"machine", "micropython", "network", "select", "socket", "ssl", "time", "tls", "usocket", "ussl", "utime"}
ONLY_MICROPYTHON = {"gc": {"mem_alloc", "mem_free"}, "sys": {"print_exception"}}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if PORT not in path.parents)


def of_the_platform(tree):
    """The names that a module takes from the platform, by import or as an attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.partition(".")[0] in PLATFORM)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            if node.module.partition(".")[0] in PLATFORM:
                yield node.module
            yield from (n.name for n in node.names if n.name in ONLY_MICROPYTHON.get(node.module, ()))
        elif isinstance(node, ast.Attribute) and node.attr in ONLY_MICROPYTHON.get(ast.unparse(node.value), ()):
            yield ast.unparse(node)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_port_takes_names_from_the_platform(path):
    assert list(of_the_platform(ast.parse(path.read_text()))) == []


def test_they_are_noticed():
    source = "import time\nfrom socket import socket\nfrom gc import mem_free\nimport gc\ngc.mem_alloc()\nimport os"
    assert list(of_the_platform(ast.parse(source))) == ["time", "socket", "mem_free", "gc.mem_alloc"]
