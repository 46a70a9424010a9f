"""What models, data sets and shared code owe each other.

fields          a data set is named fields; a model says which it takes and what it is given
steps           what training hands to a model: batch, step, phase
capabilities    what a model can do, as protocols: shared code asks `isinstance`
"""
