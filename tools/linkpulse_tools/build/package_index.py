"""Downloads a file from the Python package index that pip is configured to use.

The addresses come from pip's own commands, `pip config list` and `pip install --help`, so they are never written here.
"""

import base64
import html
import os
import re
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request

from linkpulse_tools.errors import ToolError

TIMEOUT = 60
LIMIT = 8 * 1024 * 1024
HREF = re.compile(r"""<a\s[^>]*?href=["']([^"']+)["']""", re.IGNORECASE)
DEFAULT = re.compile(r"--index-url <url>[^()]*\(default\s+(\S+?)\)")


def download(project: str, archive: str) -> bytes:
    """The bytes of the file `archive` of `project`. The caller checks their digest."""
    settings = _settings()
    context = ssl.create_default_context(cafile=settings.get("cert") or None)
    unreachable = []
    indexes = _indexes(settings)
    for index in indexes:
        try:
            found = _from(index, project, archive, context)
            if found is not None:
                return found
        except (OSError, ValueError) as error:
            absent = index.startswith("file:") or getattr(error, "code", None) == 404
            if not absent:  # it may have the file
                unreachable.append(f"{_shown(index)}: {getattr(error, 'reason', None) or error}")
    if unreachable:
        raise ToolError(
            f"{archive} cannot be downloaded, because the package index does not answer as it should: "
            f"{'; '.join(unreachable)}. Is this machine online?"
        )
    asked = ", ".join(map(_shown, indexes))
    raise ToolError(f"{archive} is not on the package index: {asked}. `pip config list` shows why that one is asked")


def _from(index: str, project: str, archive: str, context: ssl.SSLContext) -> bytes | None:
    """The file from one index, or None if the project's page there does not have it."""
    page = f"{index.rstrip('/')}/{project}/"
    for href in HREF.findall(_get(page, context).decode("utf-8", "replace")):
        address = urllib.parse.urljoin(page, html.unescape(href))
        if urllib.parse.unquote(urllib.parse.urlparse(address).path).rpartition("/")[2] == archive:
            return _get(address.partition("#")[0], context)
    return None


def _indexes(settings: dict[str, str]) -> list[str]:
    main = settings.get("index-url")
    if not main:
        found = DEFAULT.search(" ".join(_pip("install", "--help").split()))
        if not found:
            raise ToolError("pip does not say which package index it uses: set PIP_INDEX_URL to one")
        main = found[1]
    return [main, *settings.get("extra-index-url", "").split()]


def _settings() -> dict[str, str]:
    """pip's settings by name. The environment's come last in its list, and count most."""
    lines = (line.partition("=") for line in _pip("config", "list").splitlines())
    found = {name.rpartition(".")[2]: value.strip("'\"").replace("\\n", " ") for name, _, value in lines}
    given = {name: os.environ.get(f"PIP_{name.upper().replace('-', '_')}") for name in ("index-url", "extra-index-url")}
    return found | {name: value for name, value in given.items() if value}


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-color", *arguments]
    environment = dict(os.environ, COLUMNS="200")
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ToolError(
            f"umqtt.simple must be fetched once, and pip, which knows the package index, does not work here ({why}): "
            f"run {sys.executable} -m ensurepip, or install linkpulse from its wheel, which contains umqtt.simple"
        )
    return done.stdout


def _get(address: str, context: ssl.SSLContext) -> bytes:
    parts = urllib.parse.urlsplit(address)
    name, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl(), headers={"Accept": "text/html, */*;q=0.1"})
    if at:
        credentials = urllib.parse.unquote(name).encode()
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(credentials).decode()}")
    if parts.scheme == "file" and parts.path.endswith("/"):  # a folder in the form of an index
        request = urllib.request.Request(address + "index.html")
    with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:
        return answer.read(LIMIT)


def _shown(index: str) -> str:
    """An index without its credentials."""
    parts = urllib.parse.urlsplit(index)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
