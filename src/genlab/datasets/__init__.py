"""The data sets, one file each: where the files come from, and how they become arrays."""
