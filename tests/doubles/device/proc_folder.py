"""A proc root on the disk."""

import os


class Proc:
    """A proc root of real files in `folder`, with the files of usual() in it."""

    def __init__(self, folder, **files):
        from proc_root import usual  # not before the time is virtual: it imports the agent's modules

        self.root = folder
        for name in (folder, folder + "/net"):
            try:
                os.mkdir(name)
            except OSError:
                pass
        for name, content in usual(**files).items():
            if content is not None:
                self.write(name, content)

    def path(self, name):
        return self.root + "/net/" + name

    def write(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content)

    def remove(self, name):
        os.remove(self.path(name))

    def traffic(self, n, *more):
        """eth0 has counted `n` bytes in, n packets in, 2 n bytes out and 3 n packets out."""
        from proc_root import dev

        self.write("dev", dev(("lo", 10, 1, 10, 1), ("eth0", n, n, 2 * n, 3 * n), *more))
