"""What devices run, made from lib/: compiled modules, firmware, packages, and what they weigh."""
