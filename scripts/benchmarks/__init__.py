"""What ./scripts/bench measures: a module for each thing that users feel, and what these share."""
