"""What an agent does next, and the ways to run it."""
