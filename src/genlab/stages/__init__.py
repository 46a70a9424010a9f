"""The stages of the pipeline, one file each, named as in dvc.yaml."""
