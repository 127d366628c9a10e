"""What a collector fills, all of it allocated at construction: interface counters, and tables of sockets."""
