"""Speed and memory of training, measured beside other ways to do the same: `make bench`, or `python -m benchmarks -h`.

Contestants, each a process that prints one line of JSON: `stage` (ours, the real one), `bare_loop`, `keras_fit`,
`torch_loop` (where PyTorch is installed), `overhead`, `peak`, and `measuring` of the metrics. `runner` starts them,
`part_*` say in which order and what follows from the numbers, `workloads` says what is trained. Everything measured
goes to `reports/bench.json`.
"""
