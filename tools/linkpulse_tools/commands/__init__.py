"""The commands of daily use, one a module: they parse options and show results, other rooms do the work."""
