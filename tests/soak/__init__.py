"""Minutes of churn on a real server, after which it must be as small as it was before."""
