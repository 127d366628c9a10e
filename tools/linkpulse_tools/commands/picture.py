"""docs/run.svg: what `linkpulse run` shows of one report, drawn from a real one. Argument: the file to write."""

import re
import sys
from pathlib import Path

from rich.console import Console

from linkpulse_tools import files
from linkpulse_tools.commands.run import Options, run

WIDTH = 80


class LastOnly(Console):
    """A console that draws nothing and remembers the last thing printed."""

    def print(self, *objects, **options) -> None:
        self.export_text()  # forgets what it has recorded
        super().print(*objects, **options)


def main(path: Path) -> None:
    """Two reports of this machine, of which the second has traffic."""
    with open("/dev/null", "w") as nowhere:
        console = LastOnly(record=True, width=WIDTH, file=nowhere, force_terminal=True, color_system="truecolor")
        run(Options(count=2, interval=5), console, Console(stderr=True))
    # Without rich's fonts, which a page would fetch from elsewhere.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="make run"), flags=re.DOTALL)
    files.write(path, picture.replace("Fira Code, monospace", "monospace").encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
