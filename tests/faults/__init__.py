"""Every row of the list of faults, as a named test against the device code."""
