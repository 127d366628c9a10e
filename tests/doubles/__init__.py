"""What stands in for the world: brokers, servers, boards. What a device runs is in device/, which is on its path."""
