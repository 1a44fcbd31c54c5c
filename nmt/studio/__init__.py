"""Pages and tables that show a run or a model: explain, report, inspect, ablate, scale."""
