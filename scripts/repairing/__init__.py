"""What shows that learned operators repair what basic ones do not."""
