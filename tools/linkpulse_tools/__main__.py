"""`python -m linkpulse_tools`: the `linkpulse` command."""

from linkpulse_tools.cli import main

main(prog_name="linkpulse")
