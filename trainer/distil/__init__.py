"""Distillation: a small network, the student, learns to give the pictures of a large one, its teacher."""
