"""The functions that `import predictor` offers; each is what the command of the same name does.

A module is imported when one of its functions is first used: a forecast needs nothing of what evaluates checkpoints.
"""
