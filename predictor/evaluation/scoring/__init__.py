"""A scorer that computes nothing twice: lm-eval's `hf` model over the prefix tree of its requests.

Importing this package registers the model `tree` with lm-eval. It imports torch.
"""

from predictor.evaluation.scoring.lm import TreeLM

__all__ = ["TreeLM"]
