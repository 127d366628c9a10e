"""An AWS IoT Greengrass v2 component: its recipe and its artifact."""

from pathlib import Path

from linkpulse_tools import __version__
from linkpulse_tools.build.dist import files as dist_files
from linkpulse_tools.build.dist import linux as dist_linux
from linkpulse_tools.build.dist.linux import PACKAGING

RECIPE = PACKAGING / "greengrass" / "recipe.yaml"


def build(out: Path) -> list[Path]:
    """Write greengrass/recipe.yaml, and greengrass/linkpulse.zip, which the recipe names, into `out`."""
    folder = out / "greengrass"
    folder.mkdir()
    recipe = folder / RECIPE.name
    recipe.write_text(RECIPE.read_text().replace("@VERSION@", __version__))
    return [recipe, dist_files.zip_file(folder / "linkpulse.zip", dist_linux.tree())]
