"""From folders as downloaded to an audited manifest and a cache of prepared films."""
