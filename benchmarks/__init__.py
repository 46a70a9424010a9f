"""Speed and memory of training, measured beside hand-written loops, Keras `fit` and PyTorch: `make bench`."""
