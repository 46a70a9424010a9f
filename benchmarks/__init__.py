"""Speed and memory of training beside other ways to do the same: `make bench`.

Contestants, each a process that prints one line of JSON: `stage` (ours, the real one), `bare_loop`,
`keras_fit`, `torch_loop` (if PyTorch is installed), `overhead`, `peak`, `measuring` (of the
metrics), `searching` and `serving`. `runner` starts them, `part_*` say in which order and what
follows from the numbers, `workloads` says what is trained. All numbers go to `reports/bench.json`.
"""
