"""The table of scores that every part shares: its schema, the store that keeps it, the readers of other formats."""

from predictor.results.readers import Results, TaskInfo, read_results

__all__ = ["Results", "TaskInfo", "read_results"]
