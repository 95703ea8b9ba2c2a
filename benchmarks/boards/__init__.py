"""Raspberry Pi boards without a board: the real arm64 Python and wheels under QEMU's user emulation.

What it proves: that the files load and answer the same on each board's instruction set, and how many instructions an
image costs there. What it cannot: time. Instructions are counted, the clock, caches and memory of a board are not.
"""
