"""What models, data sets, metrics and shared code owe each other.

fields          a data set is a set of named fields
batches         fields on disk become the tensors that models take
steps           what training hands to a model: batch, step, phase
capabilities    what else a model can do, as protocols that shared code checks with `isinstance`
evidence        what metrics are given, and what their values mean
score           one number with its interval, unit, protocol and floor
comparison      whether one score is better than another
"""
