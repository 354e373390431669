"""How fast this machine trains: clips a second of each part, the bottleneck, hours for a preset."""
