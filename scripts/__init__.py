"""Set-up, demo, benchmarks and studies of this checkout. `scripts/setup` puts the checkout last on the path."""
