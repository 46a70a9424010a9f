"""The metrics, one file each: the evidence it needs, its measures, `compute`.

`compute` raises Unavailable, with the reason, where the evidence does not allow the measurement.
"""
