"""VGG for the perceptual loss and LPIPS: the network, and where its weights come from."""
