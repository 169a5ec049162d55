"""Why a board went red and what to do, for the person at the bench, in that person's language.

The bench writes its reasons down in English, with what the board itself said; the page puts this in front.
"""

from __future__ import annotations

from gateway.web.languages import N_

# Codes of tools/flash: a test holds the two against one another.
REMEDIES = {
    "port": N_("The port does not open. Close other programs, and see to the group dialout."),
    "boot": N_("The chip does not listen. Hold BOOT while you plug it in, or try another cable."),
    "silent": N_("The board does not answer. Take a cable that carries data, or another USB port."),
    "unplugged": N_("The board was unplugged. Plug it in again: it keeps its row or gets the next one."),
    "verify": N_("What was written reads back differently. Try another cable, else put the board aside."),
    "chip": N_("This board has another chip than the list asks for. Take another board."),
    "size": N_("The flash of this board is too small. Take another board."),
    "no_row": N_("The list has no row left for this kind of board. Put it aside."),
    "image": N_("The base image does not fit this board. Keep the right one with meetnet flash image."),
    "test": N_(
        "A sensor, the radio or the configuration fails its test. Look at the wires of what is named."
    ),
    "repl": N_("The board does not start after writing. Press RESET, and plug it in again."),
    "server": N_("The network server does not take the device. See to it, then plug this board in again."),
    "register": N_("The registry refuses this row. Correct the list, then plug this board in again."),
    "journal": N_("The journal cannot be written. Make room on the disk, then plug this board in again."),
    "disk": N_("A file cannot be written. See to room and rights, then plug this board in again."),
    "esptool": N_("The program that writes boards failed. Plug the board in again, else put it aside."),
    "mpremote": N_("A program is missing on the machine of the bench. Install meetnet with the extra flash."),
    "internal": N_("Something unexpected. Unplug the board, and try it again."),
}
