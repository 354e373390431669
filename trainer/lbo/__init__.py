"""Learnable basic operators: degradations learned from real LQ episodes (the paper's section 4.1, facts 3)."""
