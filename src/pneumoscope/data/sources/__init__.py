"""One small file per public data set."""
