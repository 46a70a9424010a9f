"""What models, data sets and shared code owe each other.

fields          a data set is a set of named fields
steps           what training hands to a model: batch, step, phase
capabilities    what else a model can do, as protocols that shared code checks with `isinstance`
batches         fields on disk become the tensors that models take
"""
