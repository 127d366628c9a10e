# Mounts the RAM disk at /; makes its filesystem after a power-on, finds it again after a soft reset.
import vfs
from mps2 import disk

try:
    vfs.mount(vfs.VfsLfs2(disk), "/")
except OSError:
    vfs.VfsLfs2.mkfs(disk)
    vfs.mount(vfs.VfsLfs2(disk), "/")
del vfs, disk
