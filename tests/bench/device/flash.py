"""Copies a folder into a new LittleFS in memory; prints the bytes it takes there, and writes its image where asked.

Arguments: the folder, bytes of a block, number of blocks, the image's file or nothing.
"""

import os
import sys

folder, size, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class Disk:
    data = bytearray(size * count)

    def readblocks(self, block, buf, offset=0):
        at = block * size + offset
        buf[:] = memoryview(self.data)[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        at = block * size + offset
        self.data[at : at + len(buf)] = buf

    def ioctl(self, op, _):
        return {4: count, 5: size}.get(op, 0)


def copy(source, target):
    for entry in os.ilistdir(source):
        path, there = source + "/" + entry[0], target + "/" + entry[0]
        if entry[1] == 0x4000:
            os.mkdir(there)
            copy(path, there)
        else:
            with open(path, "rb") as f, open(there, "wb") as g:
                g.write(f.read())


os.VfsLfs2.mkfs(Disk())
os.mount(os.VfsLfs2(Disk()), "/flash")
empty = os.statvfs("/flash")[3]
os.mkdir("/flash/lib")
copy(folder, "/flash/lib")
print((empty - os.statvfs("/flash")[3]) * size)
os.umount("/flash")
if len(sys.argv) > 4:
    with open(sys.argv[4], "wb") as f:
        f.write(Disk.data)
