"""The network that upscales: settings, samples, training, export, evaluation."""
