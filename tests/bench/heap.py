"""The smallest MicroPython heap in which something completes."""

import subprocess

from .worker import Failed

LOW, HIGH, STEP = 4096, 1 << 20, 128
TIMEOUT = 60


def completes(command: list[str], env: dict) -> int | None:
    """The number that the program prints, None when it did not come to its end."""
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
    words = done.stdout.split()
    return int(words[-1]) if done.returncode == 0 and words and words[-1].isdigit() else None


def smallest(command, env: dict, low: int = LOW, high: int = HIGH, step: int = STEP) -> dict:
    """By bisection down to `step` bytes; command(heap) is the command line. `code` is what the program prints."""
    code = completes(command(str(high)), env)
    if code is None:
        raise Failed(f"a heap of {high} bytes is not enough")
    while high - low > step:
        middle = (low + high) // 2 // 32 * 32
        found = completes(command(str(middle)), env)
        if found is None:
            low = middle
        else:
            high, code = middle, found
    return {"bytes": high, "code": code}
