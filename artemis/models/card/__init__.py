"""The model card: what a model is for, what it was made of, how it does, and where it fails.

`artemis.models.card.contents` builds it out of a model's records and by no hand, as one
structure of sections; `artemis.models.card.markdown` writes that as Markdown and
`artemis.report.model_card` as a page. Its outline follows Mitchell et al., "Model Cards for
Model Reporting" (FAT* 2019); `artemis.models.card.outlines` says item by item what it meets of
that outline, of CLAIM and of TRIPOD+AI.
"""
