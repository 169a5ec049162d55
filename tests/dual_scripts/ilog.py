"""level_mdb of integers given as text (JSON numbers would lose digits on the device)."""

from kernels.ilog import level_mdb


def run(data):
    return [level_mdb(int(text)) for text in data]
