"""Learnable basic operators (LBO) as degradations: the network, its fast form, files and pools of operators."""
