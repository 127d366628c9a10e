"""The Greengrass component; the nucleus is played here after its recipe reference: variables filled in, script run."""

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

from linkpulse_tools import __version__
from linkpulse_tools.build.dist import greengrass as dist_greengrass
from linkpulse_tools.build.dist import linux as dist_linux
from tests.host.build.dist import gateway

# RECIPE_REFERENCE.md of aws-greengrass-component-common and README_CONFIG_SCHEMA.md of aws-greengrass-nucleus.
REQUIRED = {"RecipeFormatVersion", "ComponentName", "ComponentVersion", "Manifests"}
KNOWN = REQUIRED | {
    "ComponentDescription",
    "ComponentPublisher",
    "ComponentType",
    "ComponentDependencies",
    "ComponentConfiguration",
}
IN_MANIFEST = {"Name", "Platform", "Lifecycle", "Selections", "Artifacts"}
IN_LIFECYCLE = {"Setenv", "Bootstrap", "Install", "Startup", "Run", "Shutdown", "Recover"}
IN_STEP = {"RequiresPrivilege", "Script", "Setenv", "Skipif", "Timeout"}


class Nucleus:
    """A core device in `folder` with the component deployed: `configuration` is merged into the default one."""

    def __init__(self, folder: Path, configuration: dict):
        recipe_path, artifact = dist_greengrass.build(folder)
        self.recipe = yaml.safe_load(recipe_path.read_text())
        (self.manifest,) = self.recipe["Manifests"]
        self.work = folder / "work"
        self.work.mkdir()
        default = self.recipe["ComponentConfiguration"]["DefaultConfiguration"]
        settings = {**default["settings"], **configuration.get("settings", {})}
        self.configuration = {**default, **configuration, "settings": settings}
        decompressed = folder / "decompressed"
        self._variables = {"artifacts:decompressedPath": str(decompressed), "work:path": str(self.work)}
        # An archive is unpacked into a folder of its own name without the ending, its files readable and no more.
        with zipfile.ZipFile(artifact) as archive:
            archive.extractall(decompressed / artifact.stem)

    def filled(self, text: str) -> str:
        """`text` with its variables replaced: a map becomes JSON, what is unknown stays."""
        return re.sub(r"\{([.\w-]+):([^:}]*)\}", self._value, text)

    def _value(self, match: re.Match) -> str:
        if match[1] != "configuration":
            return self._variables.get(match[0][1:-1], match[0])
        value = self.configuration
        for key in match[2].strip("/").split("/"):
            if key not in value:
                return match[0]
            value = value[key]
        return value if isinstance(value, str) else json.dumps(value)

    def run(self) -> subprocess.Popen:
        lifecycle = self.manifest["Lifecycle"]
        environment = {name: self.filled(value) for name, value in lifecycle["Setenv"].items()}
        script = self.filled(lifecycle["Run"]["Script"])
        return subprocess.Popen(
            ["sh", "-c", script],
            env={"PATH": os.environ["PATH"], **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def core(tmp_path):
    return lambda **configuration: Nucleus(tmp_path, configuration)


def test_recipe_has_the_documented_form(core):
    nucleus = core()
    recipe, manifest = nucleus.recipe, nucleus.manifest
    assert set(recipe) >= REQUIRED
    assert set(recipe) <= KNOWN
    assert recipe["RecipeFormatVersion"] == "2020-01-25"
    assert recipe["ComponentVersion"] == __version__
    assert re.fullmatch(r"[a-zA-Z0-9-_.]+", recipe["ComponentName"])
    for dependency in recipe["ComponentDependencies"].values():
        assert set(dependency) == {"VersionRequirement", "DependencyType"}
        assert dependency["DependencyType"] in ("HARD", "SOFT")
    assert set(manifest) <= IN_MANIFEST
    assert set(manifest["Lifecycle"]) <= IN_LIFECYCLE
    assert set(manifest["Lifecycle"]["Run"]) <= IN_STEP
    assert all(isinstance(value, str) for value in manifest["Lifecycle"]["Setenv"].values())
    (artifact,) = manifest["Artifacts"]
    assert artifact == {"URI": "s3://BUCKET/linkpulse.zip", "Unarchive": "ZIP"}


def test_artifact_is_what_the_script_calls(core, tmp_path):
    nucleus = core()
    lifecycle = nucleus.manifest["Lifecycle"]
    texts = [*lifecycle["Setenv"].values(), lifecycle["Run"]["Script"]]
    assert not [text for text in map(nucleus.filled, texts) if re.search(r"\{\w+:", text)]
    called = re.findall(rf"{tmp_path}/decompressed/[^\"\s]+", nucleus.filled(lifecycle["Run"]["Script"]))
    assert called == [str(tmp_path / "decompressed/linkpulse" / dist_linux.LAUNCHER)]
    assert Path(called[0]).exists()


def test_component_reports_as_the_nucleus_starts_it(core, micropython, embedded_broker, certs, tmp_path):
    gateway.write(tmp_path / "etc", certs, {})
    files = {name: str(tmp_path / f"etc/{name}.der") for name in ("ca", "cert", "key")}
    hostile = 'it\'s a "name" of $HOME `and` \\ more'
    settings = gateway.values(embedded_broker, include=["*", hostile], **files)
    nucleus = core(micropython=micropython, settings=settings)
    with gateway.service(embedded_broker, certs) as heard:
        process = nucleus.run()
        try:
            outcome = heard.accepted()
        finally:
            process.terminate()
            said = process.communicate(timeout=gateway.WAIT)[0]
    ports = [row["port"] for row in outcome.verdict.report["metrics"]["listening_tcp_ports"]["ports"]]
    assert embedded_broker.port in ports, said
    written = nucleus.work / "settings.json"
    assert json.loads(written.read_text()) == settings
    assert written.stat().st_mode & 0o077 == 0
    assert (nucleus.work / "linkpulse.state").exists()


def test_deployment_without_a_thing_says_so(core, micropython):
    process = core(micropython=micropython).run()
    said = process.communicate(timeout=gateway.WAIT)[0]
    assert process.returncode == 78
    assert "thing: must be a text of 1 to 128 bytes" in said
