"""From a box of blank boards to devices: `meetnet flash` (see README.md).

    base image + compiled application + keys and configuration -> esptool -> self-test -> registry -> label

A board goes through `steps`; `bench` does that with many at once and keeps a `journal` of it.
"""
