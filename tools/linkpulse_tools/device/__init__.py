"""A device to work with: an interpreter on this machine, a board at a serial port, a board in QEMU."""
