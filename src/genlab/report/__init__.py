"""The report: a page that compares the trained models, a page and a card of each.

writing         writes all pages
collect         reads and checks what the other stages wrote, for the models in `params.yaml`
laboratory      what was read: models, their data, a rate-distortion curve
revision        where the code stands

page            the page of all models, and the page of one
comparison      the page of any runs, from MLflow
card            a model as a model card, Markdown

ranking         which values may stand in one row, and which is best
table, facts    rows of numbers, made of cells
words           the same in sentences
reproduction    the commands that make the page again, from the revision of the code

pictures        grids and sheets of images
strips          rows of pictures, one per model
walks           paths between images, and one latent dimension at a time

figures         what all figures share                          [plotly.js draws them]
curves, latents, rate_distortion                                figures as data
plots           curves and grids as files for `dvc plots`

*.j2, parts/, scripts/                                          templates, and what moves
"""
