"""The network: shapes, ONNX graph, int8 quantisation, and the same step in PyTorch."""
