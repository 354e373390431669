"""The report of a GPU: `./scripts/test-gpu`."""
