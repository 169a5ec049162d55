"""The first file to run, frozen into the image: mount the file system, whatever state it is in.

MicroPython's own gives up on a file system that does not mount; a node on a pole cannot. What counts
lies elsewhere: records on a partition of their own, keys, counters and the last good configuration in NVS,
a working application in the image. So a broken file system is made anew, and the node says so.
"""

import sys


def mount(vfs, partition, path="/"):
    """Mount littlefs, after making it anew where it cannot be mounted; return whether it had to be."""
    try:
        vfs.mount(vfs.VfsLfs2(partition), path)
        return False
    except OSError:
        pass
    vfs.VfsLfs2.mkfs(partition)
    vfs.mount(vfs.VfsLfs2(partition), path)
    with open(path.rstrip("/") + "/mended", "w") as f:
        f.write("file system")
    return True


def main():
    """Mount the partition "vfs"."""
    import vfs
    from esp32 import Partition

    found = Partition.find(Partition.TYPE_DATA, label="vfs")
    if found:
        mount(vfs, found[0])


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # flash that takes nothing: the node measures without a file system
        sys.print_exception(error)
