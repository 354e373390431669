"""What the switches from research since the paper change: sharpened lines, cleaned HQ, frames coded alone."""
