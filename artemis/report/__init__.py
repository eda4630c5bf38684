"""Reports: self-contained HTML pages made from a run's record and Parquet tables alone."""
