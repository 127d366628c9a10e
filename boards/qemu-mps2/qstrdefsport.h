// qstrs that only the port needs
Q(/lib)
