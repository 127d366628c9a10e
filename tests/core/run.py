"""Runs the core tests where there is no pytest: `micropython run.py test_microcbor [test_rows ...]`.

One line a test, `ok module.name` or `FAIL module.name` with its traceback; at the end the counts. On a board:
`mpremote mount tests exec "import sys; sys.path[:0] = ['core', 'doubles/device']"`, then `exec "import run; ..."`.
"""

import gc
import sys


def _run(module, name, test):
    gc.collect()
    try:
        test()
    except Exception as e:
        print("FAIL %s.%s" % (module, name))
        sys.print_exception(e, sys.stdout)
        return False
    print("ok %s.%s" % (module, name))
    return True


def main(modules):
    if hasattr(gc, "threshold"):
        gc.threshold(32768)  # what lives stays together: else a board's heap is soon in pieces of 2 KB
    passed = failed = 0
    for module in modules:
        loaded = __import__(module)
        for name in sorted(dir(loaded)):
            if name.startswith("test_"):
                if _run(module, name, getattr(loaded, name)):
                    passed += 1
                else:
                    failed += 1
        del sys.modules[module], loaded
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
