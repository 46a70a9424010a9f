"""The data sets, one file each: where the files come from, and how they become arrays.

A module offers `FILES` to download (None: the user has them), `LICENCE`, `CITATION`, `PROFILE`
(what its images look like) and `read(directory, data, seed)`, which returns fields and arrays:

directory    where `FILES` are
data         `params.yaml: data`
seed         chooses the test split of a data set that has no official one
"""
