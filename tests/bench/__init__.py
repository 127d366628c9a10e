"""What a report costs, side by side with AWS's Python agent in one run: `make bench`, or `python -m tests.bench`."""
