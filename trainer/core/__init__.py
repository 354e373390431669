"""Training runs of any network: settings, state, loop, checkpoints, records."""
