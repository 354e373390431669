"""Backends on NVIDIA GPUs: a pipeline of uploads, steps and downloads, and the TensorRT backends that use it."""
